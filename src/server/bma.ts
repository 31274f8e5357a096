/**
 * Backup management applications (BMA): migration of tapes by their clients' command lines.
 *
 * The client runs on this server, by `hsm` of the configuration, without a shell; its exit code 0 marks
 * the tape's content as migrated, anything else does not and stands in the event log. Migration is
 * incremental: a content that the application has is not sent again. A tape that was mounted or written
 * while the client ran is not marked, since nobody knows what the client read.
 *
 * What the client is given of a tape's data is the command line's affair; the names of the
 * configuration are ours, because the manuals name `hsm_` and nothing behind it.
 *
 * @source VTS 6.04.04 Operations Guide p. 97 (return code), 6.03.41 Installation Guide p. 93 (incremental).
 */
import { CapstanError, isCapstanError } from '../base/errors.ts';
import {
  BMA_VERBS,
  type BmaVerb,
  POLICY_KEYWORDS,
  type PolicyCommand,
  formatMediaPath,
  parseRetention,
} from '../ems/vtspolicy.ts';
import type { TapeRow } from '../ports/catalog.ts';
import type { ProcessOutcome, RunningProcess } from '../ports/processes.ts';
import type { Scratch } from '../ports/scratch.ts';
import { Sequence } from './context.ts';
import type { ServerContext } from './context.ts';
import { stageCopies } from './tape-content.ts';
import type { Vaults } from './vaults.ts';

/** How a verb's client is run: `hsm.backup.TSM` of the configuration. */
export interface HsmProgram {
  /** Absolute path and arguments; `{place}` of {@link HSM_PLACES} or `keywords` is filled in. */
  readonly command: readonly string[];
  /** What a VTSPolicy command may say besides the manual's keywords. */
  readonly keywords: readonly string[];
  readonly timeoutMs: number;
}

export interface HsmSettings {
  /** `hsm_enable` */
  readonly enable: boolean;
  readonly backup: Readonly<Partial<Record<BmaVerb, HsmProgram>>>;
  /** What brings a tape's content back; tapes of an application without one wait for somebody else. */
  readonly restore?: Readonly<Partial<Record<BmaVerb, HsmProgram>>>;
}

/** Places of a command line that every tape has a value for, and those that a command may give. */
export const HSM_PLACES: readonly string[] = [
  'path',
  'vault',
  'pool',
  'tape',
  'generation',
  'store',
  'backupType',
  ...Object.keys(POLICY_KEYWORDS),
];

/** Most characters of a client's output that an event repeats. */
const OUTPUT_CHARS_MAX = 80;

export type MigrateCommand = PolicyCommand & { readonly kind: 'migrate' };

/** What came of one thing that a command names. */
export interface PolicyAnswer {
  /** A tape, or what a command is about as a whole. */
  readonly subject: string;
  readonly outcome:
    | 'erased'
    | 'deleted'
    | 'migrated'
    | 'unchanged'
    | 'dispatched'
    | 'left'
    | 'queued'
    | 'failed';
  /** Of 'failed', a sentence; of 'dispatched', what; of 'queued', where the copies go. */
  readonly reason?: string;
}

/**
 * Erases a tape, whole or not at all. `check` is called with its row in the decision that erases it; where
 * it rejects, nothing is done.
 */
export type EraseTape = (
  context: ServerContext,
  tape: string,
  check?: (row: TapeRow) => Promise<void>,
) => Promise<unknown>;

export interface BackupManagementOptions {
  readonly context: ServerContext;
  readonly vaults: Vaults;
  /** Tapes that are mounted, or about to be. */
  readonly busyTapes: ReadonlySet<string>;
  readonly erase: EraseTape;
  /** Called when a tape is free again, for which a host may wait. */
  readonly onReleased: () => void;
}

export class BackupManagement {
  readonly #context: ServerContext;
  readonly #vaults: Vaults;
  readonly #busyTapes: ReadonlySet<string>;
  readonly #erase: EraseTape;
  readonly #onReleased: () => void;
  /** A drive or a server of the application is one for all: clients run one after another. */
  readonly #clients = new Sequence();
  #running: RunningProcess | undefined;
  #stopping = false;

  constructor({ context, vaults, busyTapes, erase, onReleased }: BackupManagementOptions) {
    this.#context = context;
    this.#vaults = vaults;
    this.#erase = erase;
    this.#onReleased = onReleased;
    this.#busyTapes = busyTapes;
  }

  /** Takes away the locks of migrations and recalls that the server's end broke off. */
  async start(): Promise<void> {
    const { catalog } = this.#context.ports;
    for (const { tape, process } of await catalog.listLocks()) {
      if (tape !== undefined && LOCK_PREFIXES.some((prefix) => process.startsWith(prefix))) {
        await catalog.releaseLock({ tape }, process);
      }
    }
  }

  /** Ends the client that runs; what it has not done is not migrated. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#running?.end();
    await this.#clients.run(async () => {});
  }

  /**
   * Migrates those of `tapes` that changed since their last migration, an answer each. `context` is the
   * caller's: its event log bears the name of who asked. Rejects INVALID_ARGUMENT where the command
   * cannot be run at all.
   */
  async migrate(
    context: ServerContext,
    command: MigrateCommand,
    tapes: readonly TapeRow[],
  ): Promise<readonly PolicyAnswer[]> {
    await this.#context.licences.require('migration');
    const program = this.#program(command);
    return this.#clients.run(async () => {
      const answers: PolicyAnswer[] = [];
      for (const { name } of tapes) {
        answers.push(await this.#migrateTape({ context, command, program }, name));
      }
      return answers;
    });
  }

  #program({ verb, values }: MigrateCommand): HsmProgram {
    const { hsm } = this.#context.settings;
    const refuse = (reason: string): CapstanError =>
      new CapstanError('INVALID_ARGUMENT', { what: `Migration by ${verb}`, reason });
    if (hsm?.enable !== true) throw refuse('hsm.enable is off in the configuration');
    const program = hsm.backup[verb];
    if (program === undefined) {
      throw refuse(`hsm.backup.${verb} has no command line for ${BMA_VERBS[verb]}`);
    }
    const unknown = Object.keys(values).find(
      (name) => !Object.hasOwn(POLICY_KEYWORDS, name) && !program.keywords.includes(name),
    );
    if (unknown !== undefined) throw refuse(`hsm.backup.${verb} knows no keyword ${unknown}`);
    return program;
  }

  async #migrateTape(run: ClientRun, name: string): Promise<PolicyAnswer> {
    const { context, command } = run;
    try {
      return await this.#tryTape(run, name);
    } catch (error) {
      if (!isCapstanError(error)) throw error;
      const reason = error.message;
      await context.eventLog.log('MIGRATION_FAILED', { tape: name, bma: command.verb, reason });
      return { subject: name, outcome: 'failed', reason };
    }
  }

  /** Rejects with what stands in the way, as an operating error. */
  async #tryTape(run: ClientRun, name: string): Promise<PolicyAnswer> {
    const { context, command, program } = run;
    const { catalog, clock } = context.ports;
    const inTheWay = (by: string): CapstanError =>
      new CapstanError('IN_USE', { kind: 'tape', name, by });
    const process = `${LOCK_PREFIX}${command.verb}`;
    // In a decision, so that no mount begins between the look and the lock.
    const tape = await context.decisions.run(async () => {
      const row = await catalog.findTape(name);
      if (row === undefined) throw new CapstanError('NOT_FOUND', { kind: 'tape', name });
      if (await this.#hasContent(command.verb, row)) return undefined;
      if (this.#stopping) throw inTheWay('the server stops');
      if (this.#busyTapes.has(name)) throw inTheWay('it is mounted');
      const reason = `${BMA_VERBS[command.verb]} reads it`;
      await catalog.takeLock({
        tape: name,
        pool: undefined,
        process,
        sinceMs: clock.nowMs(),
        reason,
      });
      return row;
    });
    if (tape === undefined) return { subject: name, outcome: 'unchanged' };
    try {
      const values = { ...command.values, backupType: command.backupType };
      await this.#withStore(program, tape, (store) =>
        this.runClient(program, commandLine(program, { ...values, store }, tape)),
      );
      await this.#mark(context, command, tape);
    } finally {
      await catalog.releaseLock({ tape: name }, process);
      this.#onReleased();
    }
    if (context.profile.migrationRemovesData) await this.#removeData(context, tape);
    return { subject: name, outcome: 'migrated' };
  }

  /** With a store that holds the tape alone, where the command line has a place for one. */
  async #withStore(
    program: HsmProgram,
    { name, vault }: TapeRow,
    work: (store: string | undefined) => Promise<void>,
  ): Promise<void> {
    if (!takesStore(program)) return work(undefined);
    const { ports } = this.#context;
    const scratch = scratchOf(this.#context);
    const path = await scratch.make(`backup-${name}`);
    try {
      const row = { name: 'BACKUP', path, createdAtMs: ports.clock.nowMs() };
      const store = await ports.openEngine(row, 'create');
      try {
        await stageCopies({ from: this.#vaults.engine(vault), to: store }, [name], () => name);
      } finally {
        await store.close();
      }
      await work(path);
    } finally {
      await scratch.remove(`backup-${name}`);
    }
  }

  /** Runs `work` when no other client runs. */
  inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    return this.#clients.run(work);
  }

  /** Runs a client to its end, in the turn of whoever asks. Rejects PROGRAM_FAILED, IN_USE where the server stops. */
  async runClient(program: HsmProgram, [path = '', ...args]: readonly string[]): Promise<void> {
    if (this.#stopping) {
      throw new CapstanError('IN_USE', { kind: 'server', name: '', by: 'it stops' });
    }
    const running = this.#context.ports.processes.run({
      program: path,
      arguments: args,
      timeoutMs: program.timeoutMs,
    });
    this.#running = running;
    const outcome = await running.outcome;
    this.#running = undefined;
    const failure = failureOf(outcome, program);
    if (failure === undefined) return;
    throw new CapstanError('PROGRAM_FAILED', { program: path, reason: failure });
  }

  /** Whether there is nothing that the application does not have. */
  async #hasContent(verb: BmaVerb, { name, generation, payloadBytes }: TapeRow): Promise<boolean> {
    if (payloadBytes === 0) return true;
    const migrations = await this.#context.ports.catalog.listMigrations();
    const last = migrations.find((each) => each.tape === name);
    return last?.application === verb && last.generation === generation;
  }

  async #mark(context: ServerContext, command: MigrateCommand, tape: TapeRow): Promise<void> {
    const { catalog, clock } = context.ports;
    const { name, generation } = tape;
    await context.decisions.run(async () => {
      if (this.#busyTapes.has(name)) {
        const by = 'it was mounted while it was migrated';
        throw new CapstanError('IN_USE', { kind: 'tape', name, by });
      }
      const { retention } = command.values;
      const migration = {
        tape: name,
        generation,
        atMs: clock.nowMs(),
        application: command.verb,
        keepMs: retention === undefined ? undefined : parseRetention(retention),
      };
      const fields = { tape: name, bma: command.verb, generation };
      await catalog.recordMigration(
        migration,
        context.eventLog.entry('CARTRIDGE_MIGRATED', fields),
      );
    });
  }

  /** Versions up to 6.04.04: a migration takes the data away and leaves the metadata. */
  async #removeData(context: ServerContext, { name, generation }: TapeRow): Promise<void> {
    await this.#erase(context, name, async (row) => {
      if (row.generation === generation) return;
      throw new CapstanError('IN_USE', { kind: 'tape', name, by: 'it was written meanwhile' });
    });
  }
}

/** What process locks of migrations begin with. */
const LOCK_PREFIX = 'migration by ';
/** What those of recalls do. */
export const RECALL_LOCK_PREFIX = 'recall by ';
const LOCK_PREFIXES = [LOCK_PREFIX, RECALL_LOCK_PREFIX];

interface ClientRun {
  readonly context: ServerContext;
  readonly command: MigrateCommand;
  readonly program: HsmProgram;
}

export const takesStore = ({ command }: HsmProgram): boolean =>
  command.some((argument) => argument.includes('{store}'));

/** Rejects INVALID_ARGUMENT where there is none. */
export function scratchOf({ ports }: ServerContext): Scratch {
  if (ports.scratch !== undefined) return ports.scratch;
  throw new CapstanError('INVALID_ARGUMENT', {
    what: 'The place {store} of a command line',
    reason: 'this server has no folder for it',
  });
}

/** The command line for a tape: an argument of which a place has no value is left out. */
export function commandLine(
  program: HsmProgram,
  values: Readonly<Record<string, string | undefined>>,
  tape: Pick<TapeRow, 'vault' | 'pool' | 'name' | 'generation'>,
): readonly string[] {
  const { vault, pool, name, generation } = tape;
  const places: Readonly<Record<string, string | undefined>> = {
    ...values,
    path: formatMediaPath({ vault, pool, tape: name }),
    vault,
    pool,
    tape: name,
    generation: String(generation),
  };
  return program.command.flatMap((argument) => {
    const names = [...argument.matchAll(PLACE_PATTERN)].map((match) => match[1] ?? '');
    if (names.some((place) => places[place] === undefined)) return [];
    return [argument.replaceAll(PLACE_PATTERN, (_, place: string) => places[place] ?? '')];
  });
}

const PLACE_PATTERN = /\{(\w+)\}/g;

/** The places of a command line that nothing fills in. */
export function unknownPlaces(command: readonly string[], keywords: readonly string[]): string[] {
  return command
    .flatMap((argument) => [...argument.matchAll(PLACE_PATTERN)].map((match) => match[1] ?? ''))
    .filter((place) => !HSM_PLACES.includes(place) && !keywords.includes(place));
}

/** Why an outcome is none of success; its output's last line where it says more. */
function failureOf(outcome: ProcessOutcome, program: HsmProgram): string | undefined {
  switch (outcome.kind) {
    case 'exited': {
      if (outcome.exitCode === 0) return undefined;
      const last = outcome.output.trimEnd().split('\n').at(-1) ?? '';
      const says =
        last === '' ? '' : `, and it said ${JSON.stringify(last.slice(0, OUTPUT_CHARS_MAX))}`;
      return `it ended with ${outcome.exitCode}${says}`;
    }
    case 'killed':
      return `it was killed by ${outcome.signal}`;
    case 'timed-out':
      return `it was ended after ${program.timeoutMs / 1000} s without an end`;
    case 'ended':
      return 'the server stops';
    case 'not-started':
      return `it could not be started: ${outcome.reason}`;
  }
}
