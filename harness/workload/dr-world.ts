/**
 * A data centre for Instant DR: two servers, either of which may be the scheme's source, and what the
 * harness knows of their tapes. Commands work on it; {@link DrWorld.check} looks at it after each.
 */
import { assert } from '../../src/base/assert.ts';
import { isCapstanError } from '../../src/base/errors.ts';
import { GIB, MINUTE_MS } from '../../src/base/units.ts';
import { TapeOperations } from '../../src/initiator/tape-operations.ts';
import type { IdrRunRow, IdrSchemeRow } from '../../src/ports/catalog-instant-dr.ts';
import { checkRuns } from '../checker/dr-runs.ts';
import { manifestDigest } from '../checker/image-content.ts';
import { hold } from '../checker/violation.ts';
import { TapeLineage } from '../model/tape-lineage.ts';
import type { VersionKey } from '../model/tape-lineage.ts';
import { SimulatedServer } from '../world/simulated-server.ts';
import type { SimulatedClock } from '../world/simulated-clock.ts';
import type { Sabotage, SimulatedServerOptions } from '../world/simulated-server.ts';
import type { NewVault } from '../world/simulated-vault.ts';
import type { Wire } from '../world/simulated-wire.ts';
import { World } from '../world/world.ts';
import { ADDRESSES, POOLS, PORT, ZONE, other, targetAt } from './dr-sides.ts';
import type { Side } from './dr-sides.ts';
import type { CommonProfile } from './fault-profile.ts';

export const DR_TAPES = ['LAB001', 'LAB002', 'LAB003'] as const;
export const SCHEME = 'NIGHTLY';
const ANSWER_LIMIT_MS = 120 * MINUTE_MS;
const SETTLING_MS = 10_000;
/** Twelve attempts, five minutes apart, fit into it. */
const DRAIN_MS = 70 * MINUTE_MS;

export interface DrProfile extends CommonProfile {
  readonly schedules: readonly string[];
  /** Whose wall clock the schedules go by; default {@link ZONE}. */
  readonly timeZone?: string;
  /** What each server's copies may send in a second. */
  readonly copyBytesPerSecond?: number | undefined;
}

export interface DrWorldOptions {
  readonly profile: DrProfile;
  readonly newVault: NewVault;
  readonly sabotage?: { readonly east?: Sabotage; readonly west?: Sabotage } | undefined;
  /** What watches a server's lines. */
  readonly watch?: (
    side: Side,
    clock: SimulatedClock,
  ) => Pick<SimulatedServerOptions, 'onFamily' | 'onSent' | 'onReplicationLog'>;
}

/** What is known of one tape. */
interface WatchedTape {
  readonly name: string;
  readonly lineage: TapeLineage;
  /** The version that each side was last seen to have. */
  readonly seen: Record<Side, VersionKey | undefined>;
  /** A host wrote there since, or may have. */
  readonly written: Record<Side, boolean>;
  /** On which side each version was written, where that was one alone. */
  readonly origins: Map<VersionKey, Side | undefined>;
}

export class DrWorld {
  readonly world: World;
  readonly servers: Readonly<Record<Side, SimulatedServer>>;
  readonly tapes: readonly WatchedTape[];
  readonly executed: string[] = [];
  readonly schedules: readonly string[];
  readonly timeZone: string;
  /** An operator took the role over by force: two sources are what he asked for. */
  forced = false;
  /** Since when a side serves without a break, ms since 1970. */
  readonly servesSinceMs: Record<Side, number> = { east: 0, west: 0 };

  private constructor(options: DrWorldOptions) {
    const { profile, newVault, sabotage } = options;
    const { copyBytesPerSecond } = profile;
    const world = new World(profile.worldSeed);
    this.world = world;
    this.schedules = profile.schedules;
    this.timeZone = profile.timeZone ?? ZONE;
    this.tapes = DR_TAPES.map((name) => ({
      name,
      lineage: new TapeLineage(),
      seen: { east: undefined, west: undefined },
      written: { east: false, west: false },
      origins: new Map(),
    }));
    const make = (side: Side, seed: number): SimulatedServer => {
      const faults = sabotage?.[side];
      return new SimulatedServer(world, {
        settings: {
          serverName: side,
          systemId: 'CAPSTAN',
          address: ADDRESSES[side],
          hosts: [],
          ...(copyBytesPerSecond !== undefined && { copyBytesPerSecond }),
        },
        vault: newVault({ seed, leftovers: profile.leftovers }),
        replicationPorts: [PORT],
        keepAlive: profile.keepAlive,
        ...(faults !== undefined && { sabotage: faults }),
        ...options.watch?.(side, world.clock),
        onKilled: () => {
          for (const tape of this.tapes) tape.written[side] ||= this.#isOpen(side, tape.name);
          this.#open[side].clear();
        },
      });
    };
    this.servers = {
      east: make('east', profile.worldSeed),
      west: make('west', profile.worldSeed + 1),
    };
  }

  readonly #rolesSeen: Record<Side, string> = { east: 'source', west: 'standby' };
  readonly #rolesNow: Record<Side, string> = { east: 'source', west: 'standby' };

  /** A swap was asked for since the check before: its schedules rest meanwhile. */
  swapAsked = false;

  /** Whether a side's role is another than at the check before, or was for a time. */
  roleChanged(side: Side): boolean {
    return this.swapAsked || this.#rolesSeen[side] !== this.#rolesNow[side];
  }

  /** Tapes that a host has. */
  readonly #open: Readonly<Record<Side, Map<string, TapeOperations>>> = {
    east: new Map(),
    west: new Map(),
  };

  static async start(options: DrWorldOptions): Promise<DrWorld> {
    const dr = new DrWorld(options);
    const { world, servers } = dr;
    await world.finish(Promise.all([servers.east.start(), servers.west.start()]), ANSWER_LIMIT_MS);
    for (const side of ['east', 'west'] as const) {
      await dr.call(side, 'vault.create', { name: 'VAULT00', path: '/vault00' });
      await dr.call(side, 'pool.create', { name: POOLS[side], vault: 'VAULT00' });
      for (const [index] of DR_TAPES.entries()) {
        const device = `$TAPE${index}`;
        await dr.call(side, 'drive.create', { name: `VTD0${index}`, host: '\\LAB', device });
      }
    }
    for (const name of DR_TAPES) {
      await dr.call('east', 'tape.create', { name, pool: POOLS.east, capacityBytes: GIB });
    }
    await dr.#createScheme('east', 'source');
    await dr.#createScheme('west', 'standby');
    dr.servesSinceMs.east = world.clock.nowMs();
    dr.servesSinceMs.west = world.clock.nowMs();
    await dr.check();
    return dr;
  }

  get wire(): Wire {
    return this.world.network.wire(ADDRESSES.east, ADDRESSES.west);
  }

  call(side: Side, name: string, parameters: object): Promise<unknown> {
    const { operations } = this.servers[side].server;
    return this.world.finish(operations.call(name, parameters), ANSWER_LIMIT_MS);
  }

  /** An operation that may be refused, or end with the server: its error, if any. */
  ask(side: Side, name: string, parameters: object): Promise<unknown> {
    this.swapAsked ||= name === 'idr.swap';
    return this.attempt(side, () => this.servers[side].server.operations.call(name, parameters));
  }

  async #createScheme(side: Side, role: 'source' | 'standby'): Promise<void> {
    const server = other(side);
    await this.call(side, 'idr.create', {
      name: SCHEME,
      role,
      target: targetAt(server),
      sources: [{ pool: POOLS[side], targetPool: POOLS[server] }],
      schedules: this.schedules,
      timeZone: this.timeZone,
    });
  }

  scheme(side: Side): Promise<IdrSchemeRow> {
    return this.servers[side].catalog.listIdrSchemes().then(([row]) => {
      assert(row !== undefined, 'the scheme is there');
      return row;
    });
  }

  #isOpen(side: Side, tape: string): boolean {
    return this.#open[side].has(tape);
  }

  isMounted(side: Side, index: number): boolean {
    return this.#isOpen(side, this.tape(index).name);
  }

  tape(index: number): WatchedTape {
    const tape = this.tapes[index];
    assert(tape !== undefined, 'the world has the tape');
    return tape;
  }

  /** What an operator or host asks; undefined where the server was killed meanwhile, else its error. */
  async attempt(side: Side, work: () => Promise<unknown>): Promise<unknown> {
    const server = this.servers[side];
    const { crashCount } = server;
    let over = false;
    const killed = this.world.until(
      () => over || server.crashCount !== crashCount,
      ANSWER_LIMIT_MS,
    );
    const working = work().then(
      () => undefined,
      (error: unknown) => error,
    );
    const error = await Promise.race([working, killed.then(() => undefined)]);
    over = true;
    await killed;
    return server.crashCount === crashCount ? error : undefined;
  }

  /** A host mounts the tape with ring; whether it has it. */
  async mount(side: Side, index: number): Promise<void> {
    const { name } = this.tape(index);
    const server = this.servers[side];
    const { crashCount } = server;
    const drive = `VTD0${index}`;
    await this.ask(side, 'mount.create', { tape: name, drive, ring: true });
    if (server.crashCount !== crashCount) return;
    const open = await server.catalog.listMounts({ open: true });
    if (!open.some((mount) => mount.tape === name)) return;
    const operations = new TapeOperations(server.transport(drive));
    await this.attempt(side, () => operations.awaitReady());
    if (server.crashCount === crashCount) this.#open[side].set(name, operations);
  }

  /** The host writes a block and makes it durable. */
  write(
    side: Side,
    index: number,
    seed: number,
    at: 'beginning' | 'end-of-data' = 'end-of-data',
  ): Promise<void> {
    const block = new Uint8Array(300 + seed).map((_, offset) => (offset * (seed + 7)) >> 3);
    return this.writeBlocks(side, index, [block], at);
  }

  /** The host writes blocks, each a file of its own. */
  async writeBlocks(
    side: Side,
    index: number,
    blocks: Iterable<Uint8Array>,
    at: 'beginning' | 'end-of-data' = 'end-of-data',
  ): Promise<void> {
    const tape = this.tape(index);
    const operations = this.#open[side].get(tape.name);
    if (operations === undefined) return;
    tape.written[side] = true;
    await this.attempt(side, async () => {
      await (at === 'beginning' ? operations.rewind() : operations.spaceToEndOfData());
      for (const block of blocks) {
        await operations.writeBlock(block);
        await operations.writeFilemarks(1);
      }
    });
  }

  async dismount(side: Side, index: number): Promise<void> {
    const tape = this.tape(index);
    const operations = this.#open[side].get(tape.name);
    if (operations === undefined) return;
    tape.written[side] = true;
    await this.attempt(side, () => operations.unload());
    this.#open[side].delete(tape.name);
    await this.world.advance(100);
  }

  /** An operator deletes a side's tape, which nobody has mounted, for good. */
  async discard(side: Side, index: number): Promise<void> {
    const tape = this.tape(index);
    await this.call(side, 'tape.delete', { name: tape.name });
    tape.seen[side] = undefined;
    tape.written[side] = false;
  }

  /** Starts a server that was killed. */
  async restart(side: Side): Promise<void> {
    await this.world.finish(this.servers[side].start(), ANSWER_LIMIT_MS);
    this.servesSinceMs[side] = this.world.clock.nowMs();
    await this.world.advance(SETTLING_MS);
  }

  /** Throws InvariantViolation where something does not hold that must at any time. */
  async check(): Promise<void> {
    for (const side of ['east', 'west'] as const) {
      this.#rolesSeen[side] = this.#rolesNow[side];
      this.#rolesNow[side] = (await this.scheme(side)).role;
    }
    for (const side of ['east', 'west'] as const) {
      const server = this.servers[side];
      hold(server.faults.length === 0, () => `${side} has a fault of its own: ${server.faults[0]}`);
    }
    await this.#look();
    for (const side of ['east', 'west'] as const) await checkRuns(this, side);
    this.swapAsked = false;
    const { east, west } = this.#rolesNow;
    hold(
      this.forced || east !== 'source' || west !== 'source',
      () => 'both servers are the source of the scheme',
    );
  }

  /** Versions change by a host's write, or by a copy that descends from what was there. */
  async #look(): Promise<void> {
    const keys = { east: await this.#keys('east'), west: await this.#keys('west') };
    // What was written on one side may have gone to the other already.
    for (const side of ['east', 'west'] as const) {
      for (const tape of this.tapes) this.#learn(side, tape, keys[side]?.get(tape.name));
    }
    for (const side of ['east', 'west'] as const) {
      if (keys[side] === undefined) continue;
      for (const tape of this.tapes) this.#compare(side, tape, keys[side].get(tape.name));
      for (const tape of this.tapes) await this.#checkOrigin(side, tape);
    }
  }

  /** A tape's row says whether its content was written there, or where it was copied from. */
  async #checkOrigin(side: Side, { name, seen, origins }: WatchedTape): Promise<void> {
    const key = seen[side];
    const row = await this.servers[side].catalog.findTape(name);
    const origin = key === undefined ? undefined : origins.get(key);
    if (row === undefined || origin === undefined || this.#isOpen(side, name)) return;
    if (key?.startsWith(`${row.generation}:`) !== true) return;
    const source = origin === side ? undefined : origin;
    hold(
      row.copiedFrom === source,
      () => `${name} on ${side} was ${source ? 'copied' : 'written there'}, its row says otherwise`,
    );
  }

  /** Each tape's version on a side; undefined where it does not serve. */
  async #keys(side: Side): Promise<ReadonlyMap<string, VersionKey> | undefined> {
    const { engine } = this.servers[side];
    if (engine === undefined) return undefined;
    const keys = new Map<string, VersionKey>();
    for (const { name, generation } of await engine.listImages()) {
      if (name.includes('.')) continue;
      keys.set(name, `${generation}:${await manifestDigest(engine, name)}`);
    }
    return keys;
  }

  #learn(side: Side, tape: WatchedTape, key: VersionKey | undefined): void {
    if (key !== undefined && tape.written[side] && key !== tape.seen[side]) {
      const origin = tape.origins.get(key);
      tape.origins.set(key, tape.origins.has(key) && origin !== side ? undefined : side);
    }
    if (key === undefined || tape.lineage.has(key)) return;
    const before = tape.seen[side];
    if (tape.written[side] || (before === undefined && key.startsWith('0:'))) {
      tape.lineage.add(key, before, side);
    }
  }

  #compare(side: Side, tape: WatchedTape, key: VersionKey | undefined): void {
    const before = tape.seen[side];
    hold(key !== undefined || before === undefined, () => `${tape.name} has vanished from ${side}`);
    // As long as a host has it, more may come.
    if (!this.#isOpen(side, tape.name)) tape.written[side] = false;
    if (key === undefined || key === before) return;
    hold(
      tape.lineage.has(key),
      () => `${tape.name} on ${side} became ${key}, which nobody has written`,
    );
    hold(
      before === undefined || tape.lineage.descends(key, before),
      () => `${tape.name} on ${side} became ${key}, which does not come from ${before}`,
    );
    tape.seen[side] = key;
  }

  /** Both sides wrote it since they were in step: nothing may be done with it. */
  conflicts(tape: WatchedTape): boolean {
    const { east, west } = tape.seen;
    if (east === undefined || west === undefined) return false;
    return !tape.lineage.descends(east, west) && !tape.lineage.descends(west, east);
  }

  /** Faults cease, servers run, hosts give their tapes back, and time goes by. */
  async makeWell(): Promise<void> {
    const { world, servers, wire } = this;
    for (const side of ['east', 'west'] as const) servers[side].cancelCrash();
    wire.heal();
    for (const side of ['east', 'west'] as const)
      if (!servers[side].running) await this.restart(side);
    for (const side of ['east', 'west'] as const) {
      for (const [index] of DR_TAPES.entries()) {
        if (this.isMounted(side, index)) await this.dismount(side, index);
      }
    }
    await world.advance(DRAIN_MS);
    await this.check();
  }

  /**
   * The end of every case: all is healed, one run in each direction is asked for; then every tape without
   * a conflict is the same on both sides, and every run is over.
   */
  async finish(): Promise<void> {
    const { world, servers } = this;
    world.trace.record('> finale');
    await this.makeWell();
    for (const side of ['east', 'west'] as const) {
      const running = await servers[side].catalog.listIdrRuns({ running: true, limit: 9 });
      hold(running.length === 0, () => `run ${running[0]?.id} of ${side} is never over`);
    }
    const first = await this.#settleRoles();
    await this.#runNow(first);
    await this.#swapBack(first);
    for (const tape of this.tapes) this.#checkInStep(tape);
    await this.checkStores();
  }

  /** No store is damaged, and nothing staged is left in one. */
  async checkStores(): Promise<void> {
    for (const side of ['east', 'west'] as const) await this.#checkStore(side);
  }

  /** The side that is the source, once the other has given its role up; where conflicts allow that. */
  async #settleRoles(): Promise<Side> {
    const [east, west] = [await this.scheme('east'), await this.scheme('west')];
    if (east.role === 'standby') return 'west';
    if (west.role === 'standby') return 'east';
    const side = west.role === 'handing-over' ? 'west' : 'east';
    const refused = await this.ask(side, 'idr.swap', { name: SCHEME });
    this.#checkRefusal(refused);
    return refused === undefined ? other(side) : side;
  }

  async #runNow(side: Side): Promise<void> {
    if ((await this.scheme(side)).role !== 'source') return;
    if ((await this.scheme(other(side))).role === 'source') return;
    const run = (await this.call(side, 'idr.dispatch', { name: SCHEME })) as IdrRunRow;
    await this.world.advance(DRAIN_MS);
    const ended = await this.servers[side].catalog.findIdrRun(run.id);
    hold(ended?.state === 'done', () => `without a fault, run ${run.id} ends ${ended?.state}`);
    await this.check();
  }

  /** What only the target changed comes back from there. */
  async #swapBack(side: Side): Promise<void> {
    if ((await this.scheme(other(side))).role !== 'standby') return;
    const refused = await this.ask(side, 'idr.swap', { name: SCHEME });
    this.#checkRefusal(refused);
    if (refused === undefined) await this.#runNow(other(side));
  }

  /** A swap is refused where both sides changed a tape, and for no other reason here. */
  #checkRefusal(refused: unknown): void {
    const conflicts = this.tapes.filter((tape) => this.conflicts(tape));
    const said = refused instanceof Error ? refused.message : String(refused);
    if (refused === undefined) {
      hold(
        conflicts.length === 0,
        () => `roles were swapped although both changed ${conflicts[0]?.name}`,
      );
      return;
    }
    hold(
      isCapstanError(refused, 'INVALID_ARGUMENT') && conflicts.length > 0,
      () => `a swap is refused without a conflict: ${said}`,
    );
    for (const { name } of conflicts) {
      hold(said.includes(name), () => `the refusal does not name ${name}: ${said}`);
    }
  }

  #checkInStep(tape: WatchedTape): void {
    const { east, west } = tape.seen;
    if (this.conflicts(tape)) return;
    const blocked = this.tapes.some((each) => this.conflicts(each));
    const same = east === west;
    // With a conflict elsewhere roles stay, and what is newer on the target stays there.
    hold(same || blocked, () => `${tape.name} is ${east} on east and ${west} on west at the end`);
  }

  async #checkStore(side: Side): Promise<void> {
    const { engine } = this.servers[side];
    assert(engine !== undefined, `${side} has its engine open`);
    const { damages } = await engine.verify({});
    hold(damages.length === 0, () => `${side} is damaged: ${damages[0]?.place}`);
    const staged = (await engine.listImages()).filter(({ name }) => name.includes('.'));
    hold(staged.length === 0, () => `${side} has ${staged[0]?.name} left behind`);
  }
}
