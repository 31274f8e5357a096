/**
 * What must hold of erases, migrations and commands, judged at the catalog beneath the server: who asked for
 * an erase, whether the tape might go, and what stands in the list.
 */
import type { Catalog, EventRow, GenerationRow } from '../../src/ports/catalog.ts';
import type { CleanupPlanRow, MigrationRow } from '../../src/ports/catalog-policy.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { FileSystemUsage } from '../../src/ports/file-systems.ts';
import type { BackupApplication } from '../peers/backup-application.ts';
import { decorate } from '../../src/base/decorate.ts';

/** A command as the host meant it. */
export interface SentPolicy {
  /** Whole, before anything cut it. */
  readonly text: string;
  /** Tapes that it may erase here, once each; none where it is for another server or was cut. */
  readonly mayErase: Set<string>;
}

/** The limits that the scenario's server has. */
export interface ErasureRules {
  readonly minSizeBytes: number;
  readonly usagePercentMax: number;
}

export interface ErasureCheckerOptions extends ErasureRules {
  /** The committed state. */
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly backup: BackupApplication;
  readonly usage: () => FileSystemUsage;
}

export class ErasureChecker {
  /** What broke, a sentence each. */
  readonly violations: string[] = [];
  readonly sent: SentPolicy[] = [];
  /** What users decided, as they were answered. */
  readonly marks = new Map<string, 'erase' | 'keep'>();
  /** Erases of Scan/Cleanup by path. */
  readonly cleanedUp = new Map<string, number>();
  readonly #options: ErasureCheckerOptions;
  #plan = new Map<string, CleanupPlanRow>();

  constructor(options: ErasureCheckerOptions) {
    this.#options = options;
  }

  /** The catalog as the server gets it: every erase and migration is looked at before it is recorded. */
  watch(catalog: Catalog): Catalog {
    return decorate(catalog, async (method, call, parameters) => {
      if (method === 'recordErase') {
        const [row, event] = parameters as [GenerationRow, Omit<EventRow, 'id'>];
        const path = await this.#judgeErase(row.tape, event);
        const value = await call();
        if (path !== undefined) this.cleanedUp.set(path, (this.cleanedUp.get(path) ?? 0) + 1);
        return value;
      }
      if (method === 'recordMigration') await this.#judgeMigration(parameters[0] as MigrationRow);
      if (method === 'putCleanupScan') await this.#judgePlan(parameters[1] as CleanupPlanRow[]);
      return call();
    });
  }

  #hold(condition: boolean, sentence: string): void {
    if (!condition) this.violations.push(sentence);
  }

  /** The tape's path where Scan/Cleanup erases it. */
  async #judgeErase(name: string, event: Omit<EventRow, 'id'>): Promise<string | undefined> {
    const { catalog } = this.#options;
    const tape = await catalog.findTape(name);
    if (tape === undefined) return undefined;
    const pool = (await catalog.listPools()).find((each) => each.name === tape.pool);
    const locked = tape.userLocked || tape.autoloadLocked || pool?.locked === true;
    this.#hold(!locked, `${name} was erased although it is locked`);
    const mounts = await catalog.listMounts({ open: true });
    this.#hold(
      !mounts.some((mount) => mount.tape === name),
      `${name} was erased although it is mounted`,
    );
    const locks = await catalog.listLocks();
    this.#hold(
      !locks.some((lock) => lock.tape === name && lock.process.startsWith('migration')),
      `${name} was erased while it was migrated`,
    );
    const erasure = (await catalog.listErasures()).find((each) => each.tape === name);
    if (erasure === undefined) {
      this.#judgeCommand(name, event);
      return undefined;
    }
    const path = `/${tape.vault}/${tape.pool}/${name}`;
    this.#hold(
      this.#hasArchived(path, tape.generation),
      `${name} was erased at generation ${tape.generation}, which is not migrated`,
    );
    const mark = this.marks.get(name);
    const planned = this.#plan.get(name);
    const scheduled = planned?.erase === true && planned.generation === tape.generation;
    this.#hold(mark !== 'keep', `${name} was erased although a user forbade it`);
    this.#hold(
      mark === 'erase' || scheduled,
      `${name} was erased and neither scheduled nor authorized`,
    );
    this.marks.delete(name);
    return path;
  }

  #judgeCommand(name: string, event: Omit<EventRow, 'id'>): void {
    const command = this.sent.find(({ mayErase }) => mayErase.has(name));
    this.#hold(
      command !== undefined,
      `${name} was erased for ${event.user}, which nobody asked for`,
    );
    command?.mayErase.delete(name);
  }

  /** Whether the application's client said so of this content. */
  #hasArchived(path: string, generation: number): boolean {
    return this.#options.backup.calls.some(
      (call) => call.path === path && call.generation === generation && call.exitCode === 0,
    );
  }

  async #judgeMigration({ tape: name, generation }: MigrationRow): Promise<void> {
    const { catalog, backup } = this.#options;
    const tape = await catalog.findTape(name);
    if (tape === undefined) return;
    const path = `/${tape.vault}/${tape.pool}/${name}`;
    this.#hold(
      this.#hasArchived(path, generation),
      `${name} is marked as migrated although the client did not end with 0`,
    );
    const startedAtMs = backup.calls.findLast((call) => call.path === path)?.atMs ?? 0;
    const mounts = await catalog.listMounts({ tape: name });
    this.#hold(
      !mounts.some((mount) => mount.state === 'open' || mount.mountedAtMs > startedAtMs),
      `${name} is marked as migrated although it was mounted meanwhile`,
    );
  }

  /** What a scan schedules must be so by the rules. */
  async #judgePlan(plan: readonly CleanupPlanRow[]): Promise<void> {
    const { catalog, clock, usage, minSizeBytes, usagePercentMax } = this.#options;
    const pools = await catalog.listPools();
    const migrations = await catalog.listMigrations();
    const { totalBytes, freeBytes } = usage();
    const isFull = ((totalBytes - freeBytes) / totalBytes) * 100 > usagePercentMax;
    this.#plan = new Map(plan.map((row) => [row.tape, row]));
    for (const { tape: name, erase } of plan) {
      const tape = await catalog.findTape(name);
      if (!erase || tape === undefined || this.marks.get(name) === 'erase') continue;
      const pool = pools.find((each) => each.name === tape.pool);
      const migration = migrations.find((each) => each.tape === name);
      const keptUntilMs =
        migration?.keepMs === undefined
          ? (tape.writtenAtMs ?? tape.createdAtMs) + (pool?.retentionMs ?? Infinity)
          : migration.atMs + migration.keepMs;
      const isDue = isFull || clock.nowMs() >= keptUntilMs;
      this.#hold(
        isDue && tape.payloadBytes >= minSizeBytes,
        `${name} was scheduled although no rule says so`,
      );
    }
  }
}
