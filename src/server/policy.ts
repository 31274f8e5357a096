/**
 * VTSPolicy: carries out the commands that hosts send through EMS, and those from the shell.
 *
 * A command that names another server by `s=` is not ours. One that is ours is recorded before it does
 * anything, so that the same event heard twice acts once; what the server's end broke off is told of
 * and not repeated. Commands of one host run in the order in which they came: an Erase behind a
 * migration waits for it. Every answer stands in the event log, since nothing goes back to the host.
 *
 * A command that a WRITE to `$0` may have cut is refused: what was lost may be the server it is for.
 *
 * @source VTS 6.02 Installation Guide p. 51-52, 6.04.04 Operations Guide p. 52 and 97.
 */
import { assert } from '../base/assert.ts';
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { checkName } from '../base/names.ts';
import type { DistributorEvent } from '../ems/printing-distributor.ts';
import {
  type MediaPath,
  type PolicyCommand,
  type PolicyGrammar,
  WRITE_TO_0,
  formatMediaPath,
  isPolicyText,
  parseVtsPolicy,
} from '../ems/vtspolicy.ts';
import type { TapeRow } from '../ports/catalog.ts';
import type { PolicyRunRow } from '../ports/catalog-policy.ts';
import type { BackupManagement, EraseTape, PolicyAnswer } from './bma.ts';
import { Sequence, reasonOf } from './context.ts';
import type { ServerContext } from './context.ts';

export type { PolicyAnswer } from './bma.ts';

/** What a command may do to media, on behalf of `context`'s user; each rejects with why it cannot be. */
export interface PolicyMedia {
  readonly erase: EraseTape;
  readonly delete: (context: ServerContext, tape: string) => Promise<unknown>;
}

/** What `VTSPolicy IDR` calls. */
export interface PolicyInstantDr {
  /** Starts every scheme that has the pool as a source, for that pool; their names. Rejects where none has. */
  dispatchPool(context: ServerContext, pool: string): Promise<readonly string[]>;
}

/** What `VTSPolicy IDR` falls back on. */
export interface PolicyAutoCopy {
  /** Queues what is not in step; undefined where the pool has no rule. */
  queuePool(
    pool: string,
  ): Promise<readonly { readonly tape: string; readonly targets: readonly string[] }[] | undefined>;
}

export interface PolicyOptions {
  readonly context: ServerContext;
  readonly media: PolicyMedia;
  readonly instantDr: PolicyInstantDr;
  readonly autocopy: PolicyAutoCopy;
  readonly backupManagement: BackupManagement;
}

/** What came of a command; `state` 'ignored' where it is for another server. */
export interface PolicyReport {
  readonly text: string;
  readonly state: 'done' | 'failed' | 'refused' | 'ignored';
  /** A sentence. */
  readonly outcome: string;
  readonly answers: readonly PolicyAnswer[];
}

/** Who sent a command. */
interface Sender {
  /** `\LAB`, or empty for the shell. */
  readonly host: string;
  readonly localTimeMs: number;
  /** As the event log names it. */
  readonly name: string;
  /** Whose name the log's entries bear. */
  readonly context: ServerContext;
  /** Vaults whose tapes it may touch; all where it is missing. */
  readonly vaults: readonly string[] | undefined;
}

export class Policy {
  readonly #options: PolicyOptions;
  readonly #arrivals = new Sequence();
  /** By host: what it sent runs in order. */
  readonly #queues = new Map<string, Sequence>();
  #stopping = false;

  constructor(options: PolicyOptions) {
    this.#options = options;
  }

  /** Tells of the commands that the server's end broke off. */
  async start(): Promise<void> {
    const { context } = this.#options;
    const { catalog, clock } = context.ports;
    for (const run of await catalog.listPolicyRuns({ running: true, limit: RUNNING_MAX })) {
      const outcome = 'The server ended before the command did; it is not run again.';
      await catalog.endPolicyRun(run.id, {
        state: 'interrupted',
        outcome,
        endedAtMs: clock.nowMs(),
      });
      await context.eventLog.log('POLICY_INTERRUPTED', {
        sender: run.host || SHELL,
        text: run.text,
      });
    }
  }

  /** Waits for what runs; what has not begun ends as failed. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#arrivals.run(async () => {});
    for (const queue of this.#queues.values()) await queue.run(async () => {});
  }

  /**
   * Any event that a host's distributor printed; those that are no command of this server are passed over.
   * Resolves when a command is recorded; it is carried out in its turn.
   */
  async hear(host: string, event: DistributorEvent): Promise<void> {
    // Another node's events may be forwarded to this collector; that node is heard by itself.
    if (!isPolicyText(event.text) || event.node !== host) return;
    const { context } = this.#options;
    const origin = { user: host, program: 'VTSPolicy' };
    const taken = await this.#take(event.text, cutBy(event), {
      host,
      localTimeMs: event.localTimeMs,
      name: host,
      context: { ...context, eventLog: context.eventLog.as(origin) },
      vaults: context.settings.hosts.find((each) => each.host === host)?.parameters?.vaults,
    });
    context.background(`carry out a VTSPolicy command of ${host}`, async () => {
      await taken.report;
    });
  }

  /** A command from the shell or the API; `context` is the caller's. */
  async run(
    context: ServerContext,
    text: string,
    { user, vaults }: { readonly user: string; readonly vaults?: readonly string[] | undefined },
  ): Promise<PolicyReport> {
    const localTimeMs = context.ports.clock.nowMs();
    const sender = { host: '', localTimeMs, name: user, context, vaults };
    const report = await (await this.#take(text, undefined, sender)).report;
    assert(report !== undefined, 'a command from the shell is never the same as one before');
    return report;
  }

  /** The kind of command that a text is, for who must know what it needs. */
  kindOf(text: string): PolicyCommand['kind'] | undefined {
    const parsed = parseVtsPolicy(text, this.#grammar);
    return parsed.kind === 'command' ? parsed.command.kind : undefined;
  }

  get #grammar(): PolicyGrammar {
    return this.#options.context.profile.policyGrammar;
  }

  /** Records commands one by one, and queues each before the next comes; `report` is for when it is done. */
  #take(
    text: string,
    cut: string | undefined,
    sender: Sender,
  ): Promise<{ readonly report: Promise<PolicyReport | undefined> }> {
    return this.#arrivals.run(() => this.#record(text, cut, sender));
  }

  /** `report` gives undefined where the same command was taken before. */
  async #record(
    text: string,
    cut: string | undefined,
    sender: Sender,
  ): Promise<{ readonly report: Promise<PolicyReport | undefined> }> {
    const given = (report: PolicyReport | undefined): { report: Promise<typeof report> } => ({
      report: Promise.resolve(report),
    });
    const parsed = parseVtsPolicy(text, this.#grammar);
    if (parsed.kind === 'command' && !this.#isForUs(parsed.command)) {
      const outcome = `The command is for the server ${parsed.command.values['source'] ?? ''}.`;
      return given({ text, state: 'ignored', outcome, answers: [] });
    }
    const { catalog, clock } = this.#options.context.ports;
    const { host, localTimeMs, context, name } = sender;
    const startedAtMs = clock.nowMs();
    const run = await catalog.beginPolicyRun({ host, localTimeMs, text, startedAtMs });
    if (run === undefined) return given(undefined);
    if (parsed.kind === 'refused' || (cut !== undefined && !parsed.quoted)) {
      const reason = parsed.kind === 'refused' ? parsed.reason : (cut ?? '');
      await context.eventLog.log('POLICY_REFUSED', { sender: name, reason, text });
      return given(await this.#end(run, { text, state: 'refused', outcome: reason, answers: [] }));
    }
    await context.eventLog.log('POLICY_TAKEN', { sender: name, text });
    return { report: this.#queue(host).run(() => this.#carryOut(run, parsed.command, sender)) };
  }

  #queue(host: string): Sequence {
    const queue = this.#queues.get(host) ?? new Sequence();
    this.#queues.set(host, queue);
    return queue;
  }

  /** `s=` names a server short or with its domain; without it the command is everybody's. */
  #isForUs({ values }: PolicyCommand): boolean {
    const { source } = values;
    if (source === undefined) return true;
    const { serverName } = this.#options.context.settings;
    return source === serverName || source.startsWith(`${serverName}.`);
  }

  async #carryOut(
    run: PolicyRunRow,
    command: PolicyCommand,
    sender: Sender,
  ): Promise<PolicyReport> {
    const { text } = run;
    const { eventLog } = sender.context;
    let answers: readonly PolicyAnswer[];
    try {
      if (this.#stopping) {
        const fields = { kind: 'server', name: 'of the command', by: 'it stops' };
        throw new CapstanError('IN_USE', fields);
      }
      answers = await this.#answers(command, sender);
    } catch (error) {
      // A fault of the program's own ends the command like any other failure, and is told of as one.
      const reason = reasonOf(error);
      await eventLog.log('POLICY_FAILED', { sender: sender.name, verb: command.verb, reason });
      const report = await this.#end(run, { text, state: 'failed', outcome: reason, answers: [] });
      if (!isCapstanError(error)) throw error;
      return report;
    }
    const outcome = summary(answers);
    const failed = answers.some((answer) => answer.outcome === 'failed');
    await eventLog.log('POLICY_DONE', { sender: sender.name, verb: command.verb, outcome });
    return this.#end(run, { text, state: failed ? 'failed' : 'done', outcome, answers });
  }

  async #end(
    run: PolicyRunRow,
    report: PolicyReport & { readonly state: 'done' | 'failed' | 'refused' },
  ): Promise<PolicyReport> {
    const { catalog, clock } = this.#options.context.ports;
    const { state, outcome } = report;
    await catalog.endPolicyRun(run.id, { state, outcome, endedAtMs: clock.nowMs() });
    return report;
  }

  async #answers(command: PolicyCommand, sender: Sender): Promise<readonly PolicyAnswer[]> {
    const { backupManagement } = this.#options;
    switch (command.kind) {
      case 'migrate': {
        const { keeping } = this.#options.context;
        if (keeping.isElsewhere(command.path.vault)) {
          const reason = keeping.stateOf(command.path.vault);
          return [{ subject: formatMediaPath(command.path), outcome: 'left', reason }];
        }
        const tapes = await this.#tapesAt(command.path, sender);
        return backupManagement.migrate(sender.context, command, tapes);
      }
      case 'synchronize': {
        const { pool } = await this.#poolAt(command.path, sender);
        return this.#synchronise(pool, sender);
      }
      case 'erase':
      case 'delete': {
        const answers: PolicyAnswer[] = [];
        for (const tape of command.tapes) answers.push(await this.#remove(command, tape, sender));
        return answers;
      }
    }
  }

  /** By Instant DR; by AutoCopy where no scheme has the pool, or Instant DR is not licensed. */
  async #synchronise(pool: string, { context }: Sender): Promise<readonly PolicyAnswer[]> {
    const { instantDr, autocopy } = this.#options;
    let refusal: CapstanError;
    try {
      const schemes = await instantDr.dispatchPool(context, pool);
      return schemes.map((scheme) => ({ subject: pool, outcome: 'dispatched', reason: scheme }));
    } catch (error) {
      if (!isCapstanError(error, 'NOT_FOUND', 'LICENCE_MISSING')) throw error;
      refusal = error;
    }
    const tapes = await autocopy.queuePool(pool);
    if (tapes === undefined) {
      if (refusal.code === 'LICENCE_MISSING') throw refusal;
      const kind = 'pool with an Instant DR scheme or an AutoCopy rule';
      throw new CapstanError('NOT_FOUND', { kind, name: pool });
    }
    return tapes.map(({ tape, targets }) =>
      targets.length === 0
        ? { subject: tape, outcome: 'unchanged' }
        : { subject: tape, outcome: 'queued', reason: `AutoCopy to ${targets.join(', ')}` },
    );
  }

  /** Erases or deletes one tape; what stands in the way is the answer, and in the log. */
  async #remove(
    { kind, verb }: PolicyCommand & { readonly kind: 'erase' | 'delete' },
    address: Required<MediaPath> | { readonly tape: string },
    sender: Sender,
  ): Promise<PolicyAnswer> {
    const subject = 'vault' in address ? formatMediaPath(address) : address.tape;
    const { media, context } = this.#options;
    try {
      const { name, vault } = await this.#tapeAt(address, sender);
      context.keeping.refuseElsewhere(vault);
      if (kind === 'erase') await media.erase(sender.context, name);
      else await media.delete(sender.context, name);
      return { subject, outcome: kind === 'erase' ? 'erased' : 'deleted' };
    } catch (error) {
      if (!isCapstanError(error)) throw error;
      const reason = error.message;
      // Who keeps a shared vault hears the host's command, too, and carries it out.
      if (isCapstanError(error, 'VAULT_ELSEWHERE')) return { subject, outcome: 'left', reason };
      await sender.context.eventLog.log('POLICY_FAILED', { sender: sender.name, verb, reason });
      return { subject, outcome: 'failed', reason };
    }
  }

  /** Rejects NAME_INVALID, and NOT_FOUND also where the tape lies elsewhere or is not the host's. */
  async #tapeAt(
    address: Required<MediaPath> | { readonly tape: string },
    { vaults }: Sender,
  ): Promise<TapeRow> {
    const name = checkName('tape', address.tape);
    const row = await this.#options.context.ports.catalog.findTape(name);
    const isThere =
      row !== undefined &&
      (!('vault' in address) || (row.vault === address.vault && row.pool === address.pool)) &&
      (vaults === undefined || vaults.includes(row.vault));
    if (isThere) return row;
    const path = 'vault' in address ? formatMediaPath(address) : name;
    throw new CapstanError('NOT_FOUND', { kind: 'tape', name: path });
  }

  async #poolAt(
    { vault, pool }: MediaPath,
    { vaults }: Sender,
  ): Promise<{ readonly pool: string }> {
    checkName('vault', vault);
    const name = checkName('pool', pool);
    const row = (await this.#options.context.ports.catalog.listPools()).find(
      (each) => each.name === name,
    );
    if (row?.vault !== vault || (vaults !== undefined && !vaults.includes(vault))) {
      throw new CapstanError('NOT_FOUND', { kind: 'pool', name: formatMediaPath({ vault, pool }) });
    }
    return { pool };
  }

  /** The tape of a path, or all tapes of its pool. */
  async #tapesAt(path: MediaPath, sender: Sender): Promise<readonly TapeRow[]> {
    const { vault, pool, tape } = path;
    if (tape !== undefined) return [await this.#tapeAt({ vault, pool, tape }, sender)];
    await this.#poolAt(path, sender);
    return this.#options.context.ports.catalog.listTapes(pool);
  }
}

const RUNNING_MAX = 100_000;
/** Who sent what no host did, where the name is not known any more. */
const SHELL = 'the shell';

/** Why an event's text may not be the whole of what the host sent; undefined where it is. */
function cutBy({ eventNumber, text, padded }: DistributorEvent): string | undefined {
  if (eventNumber !== WRITE_TO_0.eventNumber) return undefined;
  if (text.length < WRITE_TO_0.textCharsMax && padded !== true) return undefined;
  return (
    `A text written to $0 is cut at ${WRITE_TO_0.textCharsMax} characters, and this one may have been: ` +
    'quote the words, send fewer, or use the TACL macro.'
  );
}

/** `2 erased, 1 failed`. */
function summary(answers: readonly PolicyAnswer[]): string {
  const counts = new Map<string, number>();
  for (const { outcome } of answers) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  const parts = [...counts].map(([outcome, count]) => `${count} ${outcome}`);
  return parts.length === 0 ? 'nothing to do' : parts.join(', ');
}
