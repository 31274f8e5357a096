/**
 * The laboratory: two servers and a NonStop host at each, and what the product does for them, step by
 * step, each result compared with what it must be.
 *
 * Everything in it is what runs in production: the servers with their vaults and catalogs on disk, SSH
 * and TACL sessions over TCP, SCSI commands between host and drive. Only the hosts are simulated, and the
 * "1 % changed files" are edits applied while reading: nothing is written to the folder.
 */
import { isCapstanError } from '../../src/base/errors.ts';
import { GIB } from '../../src/base/units.ts';
import { FIRST_VAULT } from '../../src/cli/create-home.ts';
import { VERSION } from '../../src/cli/version.ts';
import { systemClock } from '../../src/platform/system-clock.ts';
import type { EventRow } from '../../src/ports/catalog.ts';
import { formatEventLine } from '../../src/server/event-line.ts';
import { HostError } from '../hosts/host-error.ts';
import { LabBackup, POOL, TARGET_POOL, VOLUME } from './lab-backup.ts';
import { showCleanup } from './lab-cleanup.ts';
import { showInstantDr } from './lab-instant-dr.ts';
import { checkDiskSpace, chooseFiles } from './lab-input.ts';
import type { FileSet } from './lab-files.ts';
import { showPolicy } from './lab-policy.ts';
import { LabRecord, StepFailure } from './lab-record.ts';
import type { LabProgress, LabSites } from './lab-record.ts';
import type { LabResult, LabSiteResult, LabStore } from './lab-result.ts';
import { DEVICE, DRIVE, startSites } from './lab-sites.ts';
import type { LabSite } from './lab-sites.ts';
import { LabTapes } from './lab-tapes.ts';

const CAPACITY_BYTES_MIN = 8 * GIB;
const EVENT_COUNT_MAX = 1000;

export interface LabOptions {
  /** The folder that is backed up; a default one where it is missing. */
  readonly from?: string;
  /** Most bytes of files; DEFAULT_SIZE_BYTES for a default folder, else no limit. */
  readonly sizeMax?: number;
  /** Where both homes are made. */
  readonly folder: string;
  /** Whether `folder` stays, for the report. */
  readonly keeps: boolean;
  readonly onProgress?: (progress: LabProgress) => void;
  /** For tests that plant a fault: called before each step but the first. */
  readonly beforeStep?: (step: number, sites: LabSites) => Promise<unknown> | undefined;
}

/** Runs the laboratory. Rejects only where it cannot begin; what fails later stands in the result. */
export async function runLab(options: LabOptions): Promise<LabResult> {
  const files = await chooseFiles(options.from, options.sizeMax);
  await checkDiskSpace(options.folder, files.byteCount);
  return new Lab(files, options).run();
}

/** One run: its parts in their order, and what they leave for the report. */
class Lab {
  readonly #files: FileSet;
  readonly #options: LabOptions;
  readonly #record: LabRecord;
  readonly #startedAtMs = systemClock.nowMs();
  readonly #startedMs = systemClock.monotonicMs();
  #sites: LabSites | undefined;
  #backup: LabBackup | undefined;

  constructor(files: FileSet, options: LabOptions) {
    this.#files = files;
    this.#options = options;
    this.#record = new LabRecord(options.onProgress, (step) =>
      this.#sites === undefined ? undefined : options.beforeStep?.(step, this.#sites),
    );
  }

  async run(): Promise<LabResult> {
    let failure: string | undefined;
    try {
      await this.#runSteps();
    } catch (error) {
      const isFailure = error instanceof StepFailure || error instanceof HostError;
      if (!isFailure && !isCapstanError(error)) throw error;
      failure = error.message;
    }
    try {
      return await this.#result(failure);
    } finally {
      await this.#sites?.east.stop();
      await this.#sites?.west.stop();
    }
  }

  async #runSteps(): Promise<void> {
    const sites = await this.#startSites();
    const record = this.#record;
    this.#backup = new LabBackup(record, this.#files, sites);
    await this.#backup.run();
    const tapes = new LabTapes();
    await showInstantDr(record, sites, tapes);
    await showPolicy(record, sites, tapes);
    await showCleanup(record, sites, tapes);
  }

  async #startSites(): Promise<LabSites> {
    const { folder } = this.#options;
    await this.#record.step('Two servers and a host at each', async () => {
      const { east, west } = await startSites(folder, POOL, TARGET_POOL);
      this.#sites = { east, west };
      await east.call('tape.create', {
        name: VOLUME,
        pool: POOL,
        labelType: 'ansi',
        capacityBytes: Math.max(CAPACITY_BYTES_MIN, this.#files.byteCount * 2),
      });
      const { endpoint, hostKeyFingerprint } = west.server;
      const host = east.host.node;
      return {
        lines: [
          `east: vault ${FIRST_VAULT}, pool ${POOL}, tape ${VOLUME}, drive ${DRIVE} as ${DEVICE} of ${host}`,
          `west: pool ${TARGET_POOL}, SSH on ${endpoint?.address}:${endpoint?.port}, ${hostKeyFingerprint}`,
        ],
      };
    });
    return this.#sites as LabSites;
  }

  async #result(failure: string | undefined): Promise<LabResult> {
    const { steps, checks } = this.#record;
    const backup = this.#backup;
    const taped = backup?.taped;
    const sites: Record<string, LabSiteResult> = {};
    for (const site of Object.values(this.#sites ?? {}) as readonly LabSite[]) {
      sites[site.name] = await siteResult(site);
    }
    const { folder, fileCount, byteCount, leftOutCount, skipped } = this.#files;
    return {
      held: failure === undefined && checks.every(({ held }) => held),
      version: VERSION,
      startedAtMs: this.#startedAtMs,
      durationMs: systemClock.monotonicMs() - this.#startedMs,
      folder,
      volume: VOLUME,
      files: {
        fileCount: taped?.fileCount ?? fileCount,
        byteCount: taped?.byteCount ?? byteCount,
        leftOutCount,
        skippedCount: taped?.skipped.count ?? skipped.count,
        skippedNames: taped?.skipped.names ?? skipped.names,
        resizedCount: taped?.resizedCount ?? 0,
        changedCount: backup?.changedCount ?? 0,
      },
      tapeBytes: backup?.copies.at(-1)?.tapeBytes ?? 0,
      recordCount: taped?.recordCount ?? 0,
      steps,
      checks,
      copies: backup?.copies ?? [],
      sites,
      kept: this.#options.keeps ? this.#options.folder : undefined,
      failure,
    };
  }
}

async function siteResult(site: LabSite): Promise<LabSiteResult> {
  const { running } = site;
  const base = { node: site.host.node, emsLines: site.host.emsLines };
  if (running === undefined) return { ...base, eventLines: [], events: [], store: undefined };
  const events = (await site.call('events.list', { limit: EVENT_COUNT_MAX })) as EventRow[];
  const { systemId, name } = running.configuration;
  const store = (await site.call('vault.show', { name: FIRST_VAULT })) as LabStore;
  return {
    ...base,
    events,
    eventLines: events.map((row) => formatEventLine(row, { systemId, serverName: name })),
    store,
  };
}
