/**
 * Recalls: the content of a tape that was migrated and erased comes back when a host asks for the tape.
 *
 * The mount request waits (`waiting for recall by TSM`); the application's client (`hsm.restore` of the
 * configuration) is run with a folder that it puts the store back into which it was given at the
 * migration. The content must be, by its digest, the one that was migrated; it becomes a generation of its
 * own, and counts as migrated as before. A recall that fails is tried again while the tape is asked for.
 * Whether a recall is waited for at all is the profile's affair.
 *
 * @source VTS 6.04.04 Operations Guide, p. 97: metadata are read, the BMA is asked to restore, the mount
 * waits. 8.2 Configuration Guide, p. 85, and 8.3 Supplemental Guide, p. 15: for Tivoli Storage Manager only.
 */
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { MINUTE_MS, generation as toGeneration } from '../base/units.ts';
import type { BmaVerb } from '../ems/vtspolicy.ts';
import type { TapeRow } from '../ports/catalog.ts';
import type { MigrationRow } from '../ports/catalog-policy.ts';
import type { Engine } from '../ports/engine.ts';
import { RECALL_LOCK_PREFIX, commandLine, scratchOf } from './bma.ts';
import type { BackupManagement, HsmProgram } from './bma.ts';
import type { ServerContext } from './context.ts';
import { awaitedRecall } from './mount-obstacles.ts';
import { stageCopies } from './tape-content.ts';
import { RECALL_SUFFIX, contentOf, removeIfThere } from './vaults.ts';
import type { Vaults } from './vaults.ts';

/** From one attempt for a tape to the next. */
export const RECALL_RETRY_MS = 5 * MINUTE_MS;

export interface RecallsOptions {
  readonly context: ServerContext;
  readonly vaults: Vaults;
  readonly backupManagement: BackupManagement;
  /** Called when a recall is over, one way or the other. */
  readonly onOver: () => void;
}

export class Recalls {
  readonly #options: RecallsOptions;
  readonly #context: ServerContext;
  /** Tapes that are being recalled, or were lately: until when they are left alone. */
  readonly #leftUntilMs = new Map<string, number>();

  constructor(options: RecallsOptions) {
    this.#options = options;
    this.#context = options.context;
  }

  /** A host asks for the tape, and something is in the way: begins its recall where that is it. */
  want({ name, migratedAtMs, erasedAtMs }: TapeRow): void {
    const { clock } = this.#context.ports;
    if (migratedAtMs === undefined || erasedAtMs === undefined) return;
    if ((this.#leftUntilMs.get(name) ?? 0) > clock.nowMs()) return;
    this.#leftUntilMs.set(name, Infinity);
    this.#context.background(`recall ${name}`, () =>
      this.#recall(name).finally(() => {
        this.#leftUntilMs.set(name, clock.nowMs() + RECALL_RETRY_MS);
        this.#options.onOver();
      }),
    );
  }

  async #recall(name: string): Promise<void> {
    const { ports, settings, licences, eventLog } = this.#context;
    const { backupManagement } = this.#options;
    const migration = (await ports.catalog.listMigrations()).find((each) => each.tape === name);
    const program = settings.hsm?.restore?.[migration?.application as BmaVerb];
    // Somebody else brings the content back.
    if (migration === undefined || program === undefined || settings.hsm?.enable !== true) return;
    const bma = migration.application;
    try {
      await licences.require('migration');
      await backupManagement.inTurn(() => this.#bringBack(name, migration, program));
    } catch (error) {
      if (!isCapstanError(error)) throw error;
      eventLog.report('RECALL_FAILED', { tape: name, bma, reason: error.message });
    }
  }

  async #bringBack(name: string, migration: MigrationRow, program: HsmProgram): Promise<void> {
    const { ports, decisions } = this.#context;
    const { catalog, clock } = ports;
    const bma = migration.application;
    const process = `${RECALL_LOCK_PREFIX}${bma}`;
    const scratch = scratchOf(this.#context);
    const tape = await decisions.run(async () => {
      const row = await catalog.findTape(name);
      // The content may have come back meanwhile, or the tape be gone.
      if (row === undefined || !(await awaitedRecall(this.#context, row))?.isWaitedFor) return;
      const reason = `${bma} brings its content back`;
      await catalog.takeLock({
        tape: name,
        pool: undefined,
        process,
        sinceMs: clock.nowMs(),
        reason,
      });
      return row;
    });
    if (tape === undefined) return;
    try {
      const store = await scratch.make(`recall-${name}`);
      const values = { ...tape, generation: migration.generation };
      const line = commandLine(program, { store }, values);
      await this.#options.backupManagement.runClient(program, line);
      await this.#take(tape, migration, store);
    } finally {
      await scratch.remove(`recall-${name}`);
      await catalog.releaseLock({ tape: name }, process);
    }
  }

  /** Takes the tape out of the store at `path`. Rejects STORE_CORRUPT where that is not what was migrated. */
  async #take(tape: TapeRow, migration: MigrationRow, path: string): Promise<void> {
    const { ports, decisions } = this.#context;
    const engine = this.#options.vaults.engine(tape.vault);
    const staged = `${tape.name}${RECALL_SUFFIX}`;
    const row = { name: 'RECALL', path, createdAtMs: ports.clock.nowMs() };
    const store = await ports.openEngine(row, 'read');
    try {
      const generation = toGeneration(tape.generation + 1);
      await this.#check(store, migration);
      await stageCopies({ from: store, to: engine }, [tape.name], () => staged, generation);
      await decisions.run(async () => {
        await engine.publishImage(staged, tape.name);
        await this.#record(engine, tape, { ...migration, generation });
      });
    } catch (error) {
      await removeIfThere(engine, staged);
      throw error;
    } finally {
      await store.close();
    }
  }

  async #check(store: Engine, { tape, generation, application }: MigrationRow): Promise<void> {
    const generations = await this.#context.ports.catalog.listGenerations(tape);
    const migrated = generations.find((each) => each.generation === generation);
    const { manifestDigest } = await contentOf(store, tape);
    if (migrated === undefined || manifestDigest === migrated.manifestDigest) return;
    const what = `it is not the content of generation ${generation}, which was migrated`;
    throw new CapstanError('STORE_CORRUPT', { place: `what ${application} gave back`, what });
  }

  async #record(engine: Engine, tape: TapeRow, migration: MigrationRow): Promise<void> {
    const { ports, eventLog } = this.#context;
    const { catalog, clock } = ports;
    const { generation, application } = migration;
    const content = await contentOf(engine, tape.name);
    const atMs = clock.nowMs();
    // When it was written stays as it was: it is the content of then.
    await catalog.recordContent(
      { ...tape, generation, payloadBytes: content.payloadBytes },
      { tape: tape.name, generation, atMs, origin: application, ...content },
    );
    const fields = { tape: tape.name, bma: application, generation };
    const event = await catalog.recordMigration(
      migration,
      eventLog.entry('CARTRIDGE_RECALLED', fields),
    );
    await catalog.updateTape(tape.name, { restoredAtMs: atMs, updatedAtMs: atMs });
    this.#context.emit({ kind: 'event-logged', row: event });
  }
}
