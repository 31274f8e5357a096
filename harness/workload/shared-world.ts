/**
 * A shared vault in the simulated world: `east` and `west` on one disk, a line between them that fails,
 * hosts that write tapes through the drives of both, operators at both, and what the harness knows of it.
 *
 * What must hold, after each command:
 * - one server at most keeps the vault; no fault of a program's own has come up;
 * - WRITE FILEMARKS and UNLOAD get GOOD from the drive that mounted the tape last, and from no other: a tape
 *   has one writer; what had GOOD is on the tape whoever mounts it next, and beyond that only what its last
 *   writer had sent;
 * - in quiet times both servers have the same pools, tapes, generations and locks, and a tape that is mounted
 *   has the lock of the server that has it.
 * And at the end, once all is well again: what operators were told is done is so, and what was refused is not, no lock is left, and a
 * server that takes the vault over has the very same rows.
 */
import { assert } from '../../src/base/assert.ts';
import { CapstanError, isCapstanError } from '../../src/base/errors.ts';
import { MINUTE_MS, SECOND_MS } from '../../src/base/units.ts';
import { TapeOperations } from '../../src/initiator/tape-operations.ts';
import { readVersion } from '../checker/image-content.ts';
import { vaultRows } from '../checker/vault-rows.ts';
import { InvariantViolation, hold } from '../checker/violation.ts';
import { TapeModel, describeObjects } from '../model/tape-model.ts';
import type { Mutant } from '../mutants/mutant.ts';
import { SharedDisk } from '../world/shared-disk.ts';
import type { SharedView } from '../world/shared-disk.ts';
import { SimulatedServer } from '../world/simulated-server.ts';
import type { Leftovers, NewVault } from '../world/simulated-vault.ts';
import type { Wire } from '../world/simulated-wire.ts';
import { World } from '../world/world.ts';

const ADDRESSES = { east: '10.0.0.1', west: '10.0.0.2' } as const;
export type SiteName = keyof typeof ADDRESSES;
export const SITE_NAMES = ['east', 'west'] as const satisfies readonly SiteName[];
const HOST = '\\LAB';
const VAULT = { name: 'VAULT05', path: '/gfs/VAULT05' } as const;
const POOL = 'SHARED';
const TAPES = ['LAB001', 'LAB002'] as const;
const DRIVES = ['VTD00', 'VTD01'] as const;
export const TAPE_COUNT = TAPES.length;
export const DRIVE_COUNT = DRIVES.length;
/** Nothing that is asked of a server takes longer, virtual time. */
const ANSWER_LIMIT_MS = 10 * MINUTE_MS;
/** By then both servers have got over what happened before. */
const QUIET_MS = 2 * MINUTE_MS;

export interface SharedProfile {
  readonly worldSeed: number;
  readonly network: boolean;
  readonly crashes: boolean;
  readonly crashesInside: boolean;
  readonly powerCuts: boolean;
  readonly slowDisk: boolean;
  readonly fullDisk: boolean;
  readonly leftovers: Leftovers;
  /** How long a dead server's lock stays. */
  readonly fencingMs: number;
}

/** A tape in a drive, as its host knows it. */
interface Holding {
  readonly tape: SharedTape;
  readonly operations: TapeOperations;
  readonly drive: string;
}

interface SharedTape {
  readonly model: TapeModel;
  /** Who mounted it last. */
  holding: Holding | undefined;
  /** Whether a user locked it; undefined where the answer was lost. */
  locked: boolean | undefined;
}

export interface Site {
  readonly name: SiteName;
  readonly server: SimulatedServer;
  readonly view: SharedView;
  /** By drive. */
  readonly held: (Holding | undefined)[];
}

/** How something that was asked ended: an answer, a refusal, or that nobody knows. */
type Outcome = 'done' | 'refused' | 'unknown';

export class SharedWorld {
  readonly world: World;
  readonly profile: SharedProfile;
  readonly disk: SharedDisk;
  readonly sites: Readonly<Record<SiteName, Site>>;
  readonly tapes: readonly SharedTape[] = TAPES.map((name) => ({
    model: new TapeModel(name),
    holding: undefined,
    locked: false,
  }));
  readonly executed: string[] = [];
  /** Tapes that operators made: whether each is there, undefined where the answer was lost. */
  readonly made = new Map<string, boolean | undefined>();
  #disturbedAtMs = 0;

  private constructor(profile: SharedProfile, newVault: NewVault, sabotage: Mutant['sabotage']) {
    const { worldSeed, leftovers, fencingMs } = profile;
    const world = new World(worldSeed);
    this.world = world;
    this.profile = profile;
    const { clock } = world;
    this.disk = new SharedDisk(newVault({ seed: worldSeed, leftovers }), { clock, fencingMs });
    const site = (name: SiteName): Site => {
      const view = this.disk.view();
      const bug = sabotage[name];
      view.ignoresLock = bug?.ignoresStoreLock === true;
      const server = new SimulatedServer(world, {
        settings: { serverName: name, systemId: 'CAPSTAN', address: ADDRESSES[name], hosts: [] },
        vault: view,
        replicationPorts: [],
        keepAlive: true,
        ...(bug && { sabotage: bug }),
        onKilled: () => this.#noteKilled(name),
      });
      return { name, server, view, held: DRIVES.map(() => undefined) };
    };
    this.sites = { east: site('east'), west: site('west') };
  }

  static async start(options: {
    readonly profile: SharedProfile;
    readonly newVault: NewVault;
    readonly sabotage: Mutant['sabotage'];
  }): Promise<SharedWorld> {
    const shared = new SharedWorld(options.profile, options.newVault, options.sabotage);
    await shared.#setUp();
    return shared;
  }

  get wire(): Wire {
    return this.world.network.wire(ADDRESSES.east, ADDRESSES.west);
  }

  async #setUp(): Promise<void> {
    const { world, sites } = this;
    const call = (site: Site, name: string, parameters: object): Promise<unknown> =>
      world.finish(site.server.server.operations.call(name, parameters), ANSWER_LIMIT_MS);
    for (const site of Object.values(sites)) {
      await world.finish(site.server.start(), ANSWER_LIMIT_MS);
      for (const [index, name] of DRIVES.entries()) {
        const device = `$${site.name.toUpperCase()}${index}`;
        await call(site, 'drive.create', { name, host: HOST, device });
      }
    }
    for (const [name, other] of [
      ['east', 'west'],
      ['west', 'east'],
    ] as const) {
      await call(sites[name], 'isc.add', {
        server: other,
        address: ADDRESSES[other],
        port: 4022,
        user: 'capstan',
        hostKey: 'SHA256:simulated',
        transport: 'ssh2',
      });
    }
    await call(sites.east, 'vault.create', { ...VAULT, shared: true });
    await call(sites.east, 'pool.create', { name: POOL, vault: VAULT.name });
    for (const name of TAPES) {
      await call(sites.east, 'tape.create', { name, pool: POOL, labelType: 'unlabelled' });
    }
    await world.advance(5 * SECOND_MS);
    await call(sites.west, 'vault.join', VAULT);
    await world.advance(QUIET_MS);
    for (const { model } of this.tapes) model.found([]);
  }

  tape(index: number): SharedTape {
    const tape = this.tapes[index];
    assert(tape !== undefined, 'the world has the tape');
    return tape;
  }

  /** What happens now may take both servers a while to get over. */
  disturb(): void {
    this.#disturbedAtMs = this.world.clock.elapsedMs;
  }

  #noteKilled(name: SiteName): void {
    this.disturb();
    // The host's bus is reset with the machine.
    this.sites[name].held.fill(undefined);
  }

  /** Asks a server for something; whoever asks does not outlive it. */
  async ask(site: Site, name: string, parameters: object): Promise<Outcome> {
    this.disturb();
    const { server } = site;
    const { crashCount } = server;
    let outcome: { readonly error?: unknown } | undefined;
    server.server.operations.call(name, parameters).then(
      () => (outcome = {}),
      (error: unknown) => (outcome = { error }),
    );
    const isOver = (): boolean => outcome !== undefined || server.crashCount !== crashCount;
    const inTime = await this.world.until(isOver, ANSWER_LIMIT_MS);
    hold(inTime, () => `${site.name} gave no answer to ${name}`);
    if (outcome === undefined || server.crashCount !== crashCount) return 'unknown';
    const { error } = outcome;
    if (error === undefined) return 'done';
    if (!(error instanceof CapstanError)) {
      throw new InvariantViolation(`${name} failed with a fault`, { cause: error });
    }
    this.world.trace.record(`${site.name}: ${name} is refused: ${error.message}`);
    return isCapstanError(error, 'CONNECTION_LOST', 'DISK_IO', 'STORE_FAILED')
      ? 'unknown'
      : 'refused';
  }

  /** An operator mounts a tape; what is on it then is what may be. */
  async mount(site: Site, tape: SharedTape, drive: number, ring: boolean): Promise<void> {
    const name = DRIVES[drive] ?? '';
    const parameters = { tape: tape.model.name, drive: name, ring };
    if ((await this.ask(site, 'mount.create', parameters)) !== 'done') return;
    const operations = new TapeOperations(site.server.transport(name));
    const holding = { tape, operations, drive: name };
    site.held[drive] = holding;
    tape.holding = holding;
    await this.observe(tape);
    await this.#try(site, drive, async () => (await operations.awaitReady()).kind === 'done');
  }

  /** What the tape holds, as of its last sync, is what it may hold. */
  async observe({ model }: SharedTape): Promise<void> {
    const { engine } = this.disk;
    if (engine === undefined) return;
    const { objects } = await readVersion(engine, model.name);
    hold(
      model.allows(objects),
      () => `${model.name} holds ${describeObjects(objects)}, allowed is ${model.describe()}`,
    );
    model.found(objects);
  }

  /** The host appends blocks and a filemark; where anything fails, it gives the tape up. */
  async write(site: Site, drive: number, blocks: Iterable<Uint8Array>): Promise<void> {
    this.disturb();
    await this.#try(site, drive, async ({ tape, operations }, isHeld) => {
      const { model } = tape;
      if ((await operations.spaceToEndOfData()).kind !== 'done') return false;
      if (isHeld()) model.moveTo('end-of-data');
      for (const block of blocks) {
        if (isHeld()) model.issueBlock(block);
        if ((await operations.writeBlock(block)).kind !== 'done') return false;
      }
      if (isHeld()) model.issueFilemarks(1);
      if ((await operations.writeFilemarks(1)).kind !== 'done') return false;
      hold(isHeld(), () => `${model.name} has two writers: ${site.name} wrote it as well`);
      model.synced();
      return true;
    });
  }

  /** The host gives the tape back. */
  async dismount(site: Site, drive: number): Promise<void> {
    this.disturb();
    await this.#try(site, drive, async ({ tape, operations }, isHeld) => {
      if ((await operations.unload()).kind !== 'done') return false;
      hold(isHeld(), () => `${tape.model.name} was given back by ${site.name}, which had lost it`);
      tape.model.synced();
      site.held[drive] = undefined;
      await this.observe(tape);
      return true;
    });
  }

  /** Does `work` with the tape in a drive; a host whose work fails has an operator end the mount. */
  async #try(
    site: Site,
    drive: number,
    work: (holding: Holding, isHeld: () => boolean) => Promise<boolean>,
  ): Promise<void> {
    const holding = site.held[drive];
    assert(holding !== undefined, 'a host works with the tape that it has');
    const { crashCount } = site.server;
    const isHeld = (): boolean => holding.tape.holding === holding;
    const working = work(holding, isHeld).catch((error: unknown) => {
      if (!isCapstanError(error)) throw error;
      return false;
    });
    const isDone = await this.world.finish(working, ANSWER_LIMIT_MS);
    if (isDone || site.server.crashCount !== crashCount) return;
    site.held[drive] = undefined;
    await this.ask(site, 'mount.end', { tape: holding.tape.model.name });
  }

  /** A user locks or unlocks a tape. */
  async lock(site: Site, tape: SharedTape, locked: boolean): Promise<void> {
    const name = locked ? 'tape.lock' : 'tape.unlock';
    const outcome = await this.ask(site, name, { name: tape.model.name });
    if (outcome === 'done') tape.locked = locked;
    else if (outcome === 'unknown' && tape.locked !== locked) tape.locked = undefined;
  }

  /** An operator makes a tape. */
  async make(site: Site): Promise<void> {
    const name = `N${String(this.made.size).padStart(5, '0')}`;
    const outcome = await this.ask(site, 'tape.create', { name, pool: POOL });
    this.made.set(name, outcome === 'unknown' ? undefined : outcome === 'done');
  }

  /** An operator deletes the last tape that was made. */
  async delete(site: Site): Promise<void> {
    const [name] = [...this.made].findLast(([, isThere]) => isThere === true) ?? [];
    assert(name !== undefined, 'there is a tape to delete');
    const outcome = await this.ask(site, 'tape.delete', { name });
    if (outcome !== 'refused') this.made.set(name, outcome === 'done' ? false : undefined);
  }

  async restart(site: Site): Promise<void> {
    this.disturb();
    await this.world.finish(site.server.start(), ANSWER_LIMIT_MS);
  }

  /** Throws InvariantViolation where something does not hold that must at any time. */
  async check(): Promise<void> {
    // What a command has set in motion comes before the next one, however long a disk takes in real time.
    await this.world.advance(0);
    const { east, west } = this.sites;
    for (const { name, server } of [east, west]) {
      hold(server.faults.length === 0, () => `${name} has a fault of its own: ${server.faults[0]}`);
    }
    const keepers = [east, west].filter(({ view }) => view.isOpen);
    hold(keepers.length < 2, () => 'both servers keep the vault');
    const isQuiet = this.world.clock.elapsedMs - this.#disturbedAtMs >= QUIET_MS;
    const isWell = east.server.running && west.server.running && this.wire.state === 'up';
    if (isQuiet && isWell && !this.disk.isFull) await this.#checkAgreement(keepers);
  }

  async #checkAgreement(keepers: readonly Site[]): Promise<void> {
    const { east, west } = this.sites;
    hold(keepers.length === 1, () => 'nobody keeps the vault');
    const rows = await vaultRows(east.server.catalog, VAULT.name);
    const others = await vaultRows(west.server.catalog, VAULT.name);
    for (const [index, row] of rows.entries()) {
      hold(row === others[index], () => `east has ${row}, and west ${others[index]}`);
    }
    hold(others.length === rows.length, () => `west has ${others[rows.length]} besides`);
    const locks = await east.server.catalog.listLocks();
    const mounts: string[] = [];
    for (const { name, server } of [east, west]) {
      for (const { tape } of await server.catalog.listMounts({ open: true })) {
        mounts.push(`${tape}: mount on ${name}`);
      }
    }
    const held = locks.map(({ tape, process }) => `${tape}: ${process}`);
    const [is, ought] = [held.toSorted().join(', '), mounts.toSorted().join(', ')];
    hold(is === ought, () => `the locks are "${is}", and mounted are "${ought}"`);
  }

  /** All is made well; what operators and hosts were told must be so, also for who takes the vault over. */
  async finish(): Promise<void> {
    const { world, sites } = this;
    const all = Object.values(sites);
    this.wire.heal();
    this.disk.fill(false);
    // What is planned comes before.
    await world.advance(MINUTE_MS);
    for (const { server } of all) {
      server.cancelCrash();
      server.slowDownImages(0);
    }
    for (const site of all) if (!site.server.running) await this.restart(site);
    await world.advance(QUIET_MS);
    await this.check();
    for (const site of all) {
      for (const { tape } of await site.server.catalog.listMounts({ open: true })) {
        await this.ask(site, 'mount.end', { tape });
      }
    }
    await world.advance(QUIET_MS);
    await this.#checkEnd();
    const before = await vaultRows(sites.east.server.catalog, VAULT.name);
    const keeper = all.find(({ view }) => view.isOpen);
    const other = all.find((site) => site !== keeper);
    assert(keeper !== undefined && other !== undefined, 'somebody keeps the vault in quiet times');
    keeper.server.crash('power-cut');
    await world.advance(this.profile.fencingMs + QUIET_MS);
    hold(other.view.isOpen, () => `${other.name} does not take the vault over`);
    const after = await vaultRows(other.server.catalog, VAULT.name);
    for (const [index, row] of before.entries()) {
      hold(row === after[index], () => `${other.name} took over ${after[index]} for ${row}`);
    }
    await this.restart(keeper);
    await world.advance(QUIET_MS);
    await this.#checkEnd();
  }

  async #checkEnd(): Promise<void> {
    await this.check();
    const { engine } = this.disk;
    hold(engine !== undefined, () => 'the vault is kept without its lock');
    const { catalog } = this.sites.east.server;
    hold((await catalog.listLocks()).length === 0, () => 'a lock is left that nobody holds');
    for (const tape of this.tapes) {
      await this.observe(tape);
      const { name } = tape.model;
      const row = await catalog.findTape(name);
      const { generation } = await readVersion(engine, name);
      hold(row?.generation === generation, () => `${name} has generation ${generation}`);
      const isLocked = row?.userLocked;
      hold(
        tape.locked === undefined || tape.locked === isLocked,
        () => `${name} is locked wrongly`,
      );
    }
    for (const [name, isThere] of this.made) {
      const row = await catalog.findTape(name);
      if (isThere === undefined) continue;
      hold(isThere === (row !== undefined), () => `${name} is ${isThere ? 'lost' : 'back again'}`);
    }
    const { damages } = await engine.verify({});
    hold(damages.length === 0, () => `the vault is damaged at ${damages[0]?.place}`);
  }
}
