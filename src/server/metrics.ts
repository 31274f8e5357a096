/**
 * Metrics in the form of Prometheus: counters of what happened since the server started, and gauges of what
 * is the case when they are asked for.
 *
 * Each server has a registry of its own; prom-client's global one is not used. METRICS is the whole table,
 * which docs/reference/metrics.md explains; a test compares. Labels are names of the server's own vaults, pools,
 * drives, hosts and targets, so there are as many series as there are of those.
 *
 * Who may see some vaults only is told of those, and what tells nothing of any: counts of the whole server
 * would say what happens in the others.
 */
import { Counter, Gauge, Registry } from 'prom-client';
import { assert } from '../base/assert.ts';
import { SECOND_MS } from '../base/units.ts';
import type { ServerContext, ServerEvent } from './context.ts';
import type { EmsService } from './ems-service.ts';
import type { Mounts } from './mounts.ts';
import type { TapeServices } from './tapes.ts';

interface Metric {
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  readonly labels: readonly string[];
}

export const METRICS = {
  capstan_info: {
    type: 'gauge',
    help: 'Always 1; the labels say which server it is',
    labels: ['server', 'profile', 'system'],
  },
  capstan_start_time_seconds: {
    type: 'gauge',
    help: 'When the server started, seconds since 1970',
    labels: [],
  },
  capstan_events_total: {
    type: 'counter',
    help: 'Entries of the event log',
    labels: ['severity'],
  },
  capstan_faults_total: { type: 'counter', help: "Faults of the program's own", labels: [] },
  capstan_mounts_total: {
    type: 'counter',
    help: 'Tapes mounted',
    labels: ['access'],
  },
  capstan_dismounts_total: { type: 'counter', help: 'Tapes dismounted', labels: ['changed'] },
  capstan_mounts_open: { type: 'gauge', help: 'Tapes that are mounted', labels: [] },
  capstan_mount_requests_waiting: {
    type: 'gauge',
    help: 'Mount requests of hosts that wait',
    labels: ['host'],
  },
  capstan_mount_request_oldest_seconds: {
    type: 'gauge',
    help: 'How long the oldest mount request has waited; 0 where none waits',
    labels: [],
  },
  capstan_copies_total: {
    type: 'counter',
    help: 'Copies that ended well: sent, present on the target already, or older than what it has',
    labels: ['target', 'outcome'],
  },
  capstan_copy_attempts_failed_total: {
    type: 'counter',
    help: 'Attempts to copy that failed',
    labels: ['target'],
  },
  capstan_copies_given_up_total: {
    type: 'counter',
    help: 'Copies of which the last attempt failed',
    labels: ['target'],
  },
  capstan_copy_sent_bytes_total: {
    type: 'counter',
    help: 'Bytes of copies that were finished, as sent',
    labels: ['target'],
  },
  capstan_copy_queue: {
    type: 'gauge',
    help: 'Copies by their state in the queue',
    labels: ['target', 'state'],
  },
  capstan_copies_under_way: { type: 'gauge', help: 'Copies under way', labels: [] },
  capstan_instant_dr_runs_total: {
    type: 'counter',
    help: 'Runs of Instant DR that ended',
    labels: ['scheme', 'state'],
  },
  capstan_drives: { type: 'gauge', help: 'Virtual tape drives by state', labels: ['state'] },
  capstan_drive_loaded: {
    type: 'gauge',
    help: '1 where a tape is in the drive',
    labels: ['drive', 'host'],
  },
  capstan_ems_session: {
    type: 'gauge',
    help: '1 for the state that the EMS session with the host is in',
    labels: ['host', 'state'],
  },
  capstan_ems_sessions_total: {
    type: 'counter',
    help: 'EMS sessions that came about',
    labels: ['host'],
  },
  capstan_ems_events_total: {
    type: 'counter',
    help: 'Events heard in EMS sessions',
    labels: ['host'],
  },
  capstan_tapes: { type: 'gauge', help: 'Virtual tapes', labels: ['vault', 'pool'] },
  capstan_tape_bytes: {
    type: 'gauge',
    help: 'What the tapes hold, as the hosts wrote it',
    labels: ['vault', 'pool'],
  },
  capstan_vault_unique_bytes: {
    type: 'gauge',
    help: 'What is left of it without what is there twice',
    labels: ['vault'],
  },
  capstan_vault_stored_bytes: {
    type: 'gauge',
    help: 'What the packs of the vault take on disk',
    labels: ['vault'],
  },
  capstan_vault_dedup_ratio: {
    type: 'gauge',
    help: 'Bytes of tapes to bytes on disk; 1 for an empty vault',
    labels: ['vault'],
  },
  capstan_collection_steps_total: {
    type: 'counter',
    help: 'Steps of collections, which give space back',
    labels: ['vault'],
  },
  capstan_licence_end_time_seconds: {
    type: 'gauge',
    help: 'When a licence that counts now ends, seconds since 1970',
    labels: ['licence'],
  },
} as const satisfies Record<string, Metric>;

type MetricName = keyof typeof METRICS;

/** What tells nothing of any vault: the program, the sessions with hosts, licences. */
const OF_NO_VAULT: ReadonlySet<string> = new Set<MetricName>([
  'capstan_info',
  'capstan_start_time_seconds',
  'capstan_ems_session',
  'capstan_ems_sessions_total',
  'capstan_ems_events_total',
  'capstan_licence_end_time_seconds',
]);

const EMS_STATES = [
  'disabled',
  'stopped',
  'connecting',
  'logging-on',
  'established',
  'waiting',
] as const;
const SEVERITIES = ['INFO', 'WARNING', 'ERROR', 'CRITICAL'] as const;

/** What the gauges are read from. */
export interface MetricSources extends Pick<TapeServices, 'vaults' | 'copies'> {
  readonly mounts: Mounts;
  readonly ems: EmsService;
}

export class Metrics {
  readonly #context: ServerContext;
  readonly #registry = new Registry();
  readonly #metrics = new Map<MetricName, Counter | Gauge>();

  constructor(context: ServerContext) {
    this.#context = context;
    for (const [name, { type, help, labels }] of Object.entries(METRICS)) {
      const options = { name, help, labelNames: [...labels], registers: [this.#registry] };
      const metric = type === 'counter' ? new Counter(options) : new Gauge(options);
      this.#metrics.set(name as MetricName, metric);
    }
    const { settings, profile, ports } = context;
    const { serverName: server, systemId: system } = settings;
    this.#set('capstan_info', 1, { server, profile: profile.name, system });
    this.#set('capstan_start_time_seconds', ports.clock.nowMs() / SECOND_MS);
    // Series that are to be there before the first one of their kind, so that a rate sees it.
    for (const severity of SEVERITIES) this.#count('capstan_events_total', { severity }, 0);
  }

  /** Counts what happened. */
  observe(event: ServerEvent): void {
    switch (event.kind) {
      case 'event-logged':
        return this.#count('capstan_events_total', { severity: event.row.severity });
      case 'fault':
        return this.#count('capstan_faults_total');
      case 'mounted': {
        const access = event.mount.ring ? 'read-write' : 'read-only';
        return this.#count('capstan_mounts_total', { access });
      }
      case 'dismounted':
        return this.#count('capstan_dismounts_total', { changed: String(event.changed) });
      case 'copy-finished': {
        const { target, outcome, bytesSent } = event;
        this.#count('capstan_copy_sent_bytes_total', { target }, bytesSent);
        return this.#count('capstan_copies_total', { target, outcome });
      }
      case 'copy-attempt-failed': {
        const { target, attempt, attemptsMax } = event;
        if (attempt >= attemptsMax) this.#count('capstan_copies_given_up_total', { target });
        return this.#count('capstan_copy_attempts_failed_total', { target });
      }
      case 'idr-run': {
        const { scheme, state, endedAtMs } = event.run;
        if (endedAtMs === undefined) return undefined;
        return this.#count('capstan_instant_dr_runs_total', { scheme, state });
      }
      case 'collect-progress':
        return this.#count('capstan_collection_steps_total', { vault: event.vault });
      default:
        return undefined;
    }
  }

  /** As text: all of them, or what one who may see these vaults alone is told. */
  async text(sources: MetricSources, vaults: ReadonlySet<string> | 'all'): Promise<string> {
    await this.#readQueues(sources);
    await this.#readDrives(sources);
    await this.#readVaults(sources);
    this.#readSessions(sources);
    await this.#readLicences();
    const text = await this.#registry.metrics();
    return vaults === 'all' ? text : confined(text, vaults);
  }

  async #readQueues({ copies }: MetricSources): Promise<void> {
    const { catalog, clock } = this.#context.ports;
    this.#set('capstan_mounts_open', (await catalog.listMounts({ open: true })).length);
    const requests = await catalog.listMountRequests();
    this.#clear('capstan_mount_requests_waiting');
    for (const host of hostsOf(this.#context)) {
      const waiting = requests.filter((request) => request.host === host);
      this.#set('capstan_mount_requests_waiting', waiting.length, { host });
    }
    const now = clock.nowMs();
    const oldestMs = Math.max(0, ...requests.map(({ receivedAtMs }) => now - receivedAtMs));
    this.#set('capstan_mount_request_oldest_seconds', oldestMs / SECOND_MS);
    const rules = await catalog.listCopyRules();
    const jobs = await catalog.listCopyJobs();
    this.#clear('capstan_copy_queue');
    for (const target of new Set(rules.map((rule) => rule.target.server))) {
      const ids = rules.filter((rule) => rule.target.server === target).map(({ id }) => id);
      for (const state of ['due', 'copied', 'failed'] as const) {
        const count = jobs.filter((job) => ids.includes(job.ruleId) && job.state === state).length;
        this.#set('capstan_copy_queue', count, { target, state });
      }
    }
    this.#set('capstan_copies_under_way', copies.all.length);
  }

  async #readDrives({ mounts }: MetricSources): Promise<void> {
    const drives = await this.#context.ports.catalog.listDrives();
    this.#clear('capstan_drive_loaded');
    let loadedCount = 0;
    for (const { name: drive, host } of drives) {
      const loaded = mounts.volumeIn(drive) !== undefined;
      loadedCount += Number(loaded);
      this.#set('capstan_drive_loaded', Number(loaded), { drive, host });
    }
    this.#set('capstan_drives', loadedCount, { state: 'loaded' });
    this.#set('capstan_drives', drives.length - loadedCount, { state: 'empty' });
  }

  async #readVaults({ vaults }: MetricSources): Promise<void> {
    const { catalog } = this.#context.ports;
    const tapes = await catalog.listTapes();
    this.#clear(
      'capstan_tapes',
      'capstan_tape_bytes',
      'capstan_vault_unique_bytes',
      'capstan_vault_stored_bytes',
      'capstan_vault_dedup_ratio',
    );
    for (const { name: pool, vault } of await catalog.listPools()) {
      const inPool = tapes.filter((tape) => tape.pool === pool);
      this.#set('capstan_tapes', inPool.length, { vault, pool });
      this.#set('capstan_tape_bytes', payloadOf(inPool), { vault, pool });
    }
    for (const [vault, engine] of vaults.all) {
      const { uniqueBytes, storedBytes } = await engine.statistics();
      const payloadBytes = payloadOf(tapes.filter((tape) => tape.vault === vault));
      this.#set('capstan_vault_unique_bytes', uniqueBytes, { vault });
      this.#set('capstan_vault_stored_bytes', storedBytes, { vault });
      const ratio = storedBytes === 0 ? 1 : payloadBytes / storedBytes;
      this.#set('capstan_vault_dedup_ratio', ratio, { vault });
    }
  }

  #readSessions({ ems }: MetricSources): void {
    this.#clear('capstan_ems_session', 'capstan_ems_sessions_total', 'capstan_ems_events_total');
    for (const { host, state, sessionCount, eventCount } of ems.status()) {
      for (const each of EMS_STATES) {
        this.#set('capstan_ems_session', Number(each === state), { host, state: each });
      }
      this.#count('capstan_ems_sessions_total', { host }, sessionCount);
      this.#count('capstan_ems_events_total', { host }, eventCount);
    }
  }

  async #readLicences(): Promise<void> {
    this.#clear('capstan_licence_end_time_seconds');
    for (const { number, state, expiresAtMs } of await this.#context.licences.list()) {
      if (state !== 'valid' || expiresAtMs === undefined) continue;
      const endSeconds = expiresAtMs / SECOND_MS;
      this.#set('capstan_licence_end_time_seconds', endSeconds, { licence: number });
    }
  }

  #count(name: MetricName, labels: Readonly<Record<string, string>> = {}, by = 1): void {
    const metric = this.#metrics.get(name);
    assert(metric instanceof Counter, `${name} is a counter`);
    metric.inc({ ...labels }, by);
  }

  #set(name: MetricName, value: number, labels: Readonly<Record<string, string>> = {}): void {
    const metric = this.#metrics.get(name);
    assert(metric instanceof Gauge, `${name} is a gauge`);
    metric.set({ ...labels }, value);
  }

  /** Takes the series away that are read anew: what they were about may be gone. */
  #clear(...names: readonly MetricName[]): void {
    for (const name of names) this.#metrics.get(name)?.reset();
  }
}

/** The lines of a text of metrics that are about these vaults, or about none. */
function confined(text: string, vaults: ReadonlySet<string>): string {
  const isTold = (line: string): boolean => {
    const name = /^(?:# (?:HELP|TYPE) )?(\w+)/.exec(line)?.[1] ?? '';
    if (OF_NO_VAULT.has(name)) return true;
    const labels: readonly string[] = METRICS[name as MetricName]?.labels ?? [];
    if (!labels.includes('vault')) return false;
    // A vault's name has no character that would be escaped.
    const vault = /[{,]vault="([^"]*)"/.exec(line)?.[1];
    return line.startsWith('#') || (vault !== undefined && vaults.has(vault));
  };
  return text
    .split('\n')
    .filter((line) => line === '' || isTold(line))
    .join('\n');
}

function payloadOf(tapes: readonly { readonly payloadBytes: number }[]): number {
  return tapes.reduce((sum, tape) => sum + tape.payloadBytes, 0);
}

function hostsOf(context: ServerContext): readonly string[] {
  return context.settings.hosts.map((each) => each.host);
}
