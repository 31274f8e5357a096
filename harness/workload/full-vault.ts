/**
 * `full-vault`: a vault's disk fills up in the middle of backups, or of the copies that come to the other side, and
 * is given room again: by erasing and collecting, or by a larger disk.
 *
 * What makes room is never refused for want of it, unless others have taken what the server held back.
 * What must hold: a host is told that its tape cannot be written, and nothing that it was told to be written is lost;
 * what is there is read and restored as before; an operator whose tape cannot be made or erased for want of room is
 * told so in a sentence, and the tape is as it was; the other side's full disk costs attempts to copy and nothing
 * else; the servers keep running, and start again on a full disk; and once there is room everything goes on.
 */
import fc from 'fast-check';
import { isCapstanError } from '../../src/base/errors.ts';
import { MINUTE_MS, SECOND_MS } from '../../src/base/units.ts';
import { hold } from '../checker/violation.ts';
import type { StartOptions } from '../scenarios/scenario.ts';
import { BALLAST_BYTES } from '../world/simulated-ballast.ts';
import { CentreScenario } from './centre-scenario.ts';
import { advanceForm, count, formsFor, oneOf } from './command-form.ts';
import type { DrawnCommand } from './command-form.ts';
import { ANSWER_LIMIT_MS, POOL, tapeName } from './data-centre.ts';
import { COMMON_PROFILE } from './fault-profile.ts';
import type { CommonProfile } from './fault-profile.ts';

const TAPES = 6;
/** Six full tapes, twice, and what a store needs beside them. */
const ROOMY_BYTES = 64_000_000;
/** Some packs (64 KB here) and what a store keeps beside them. */
const DISK_BYTES_MIN = 220_000;
const DISK_BYTES_MAX = 400_000;
const CAPACITY_BYTES = 64_000;
/** Event of the event log: a mount for a request failed. */
const MOUNT_FAILED = '620106';
const HEARING_MS = 5 * SECOND_MS;
/** Twelve attempts, five minutes apart, fit into it. */
const DRAIN_MS = 61 * MINUTE_MS;
/** What an operator may be told where there is no room. */
const NO_ROOM = ['NO_SPACE', 'STORE_FAILED'] as const;
/** What finds room on a full disk. */
const MAKES_ROOM: ReadonlySet<string> = new Set(['mount.end', 'tape.erase', 'vault.collect']);
/** What a host is told where its block, its marks or its tape cannot be written: the medium is well. */
const HOST_TOLD =
  /MEDIUM ERROR|HARDWARE ERROR|WRITE ERROR|VOLUME OVERFLOW|ABORTED COMMAND|not ready/i;

export interface FullVaultProfile extends CommonProfile {
  readonly crashes: boolean;
  /** Whether room is made by erasing first, and only then by a larger disk. */
  readonly erases: boolean;
  /** What the disks take at the beginning. */
  readonly eastBytes: number;
  readonly westBytes: number;
}

export const fullVaultProfile: fc.Arbitrary<FullVaultProfile> = fc.record({
  ...COMMON_PROFILE,
  crashes: fc.boolean(),
  erases: fc.boolean(),
  eastBytes: fc.integer({ min: DISK_BYTES_MIN, max: DISK_BYTES_MAX }),
  westBytes: fc.integer({ min: DISK_BYTES_MIN / 2, max: DISK_BYTES_MIN }),
});

export class FullVault extends CentreScenario<FullVaultProfile> {
  /** Whether a disk is as large as one likes. */
  readonly #roomy = { east: false, west: false };
  #eastBytes = 0;
  /** What the store had kept for itself is gone with the rest: not even an erasure may find room. */
  #shrunk = false;
  /** Others have taken what erasing might give to a job. */
  #isFilled = false;
  #jobCount = 0;
  #failedCount = 0;
  /** Tapes that stay in their drives, and mounts that the event log says failed. */
  #keptTapes = 0;
  #mountFailures = 0;
  #refusals: string[] = [];

  constructor(options: StartOptions<FullVaultProfile>) {
    const tapes = { count: TAPES, capacityBytes: CAPACITY_BYTES };
    super(options, { drives: [1, 1], tapes, west: true });
    this.centre.onEvent((event) => {
      if (event.kind !== 'event-logged' || event.row.messageId !== MOUNT_FAILED) return;
      this.#mountFailures += 1;
      hold(!this.#roomy.east, () => event.row.text);
    });
  }

  override async setUp(): Promise<void> {
    const { eastBytes, westBytes } = this.profile;
    this.resize('east', eastBytes || DISK_BYTES_MIN);
    this.resize('west', westBytes || DISK_BYTES_MIN);
    await super.setUp();
  }

  /** Others take what is free of a disk; what is held back there is for what makes room. */
  fill(side: 'east' | 'west'): void {
    const { eastVault, westVault } = this.centre;
    (side === 'east' ? eastVault : westVault).fill();
    this.#roomy[side] = false;
    if (side === 'east') this.#isFilled = true;
  }

  /** No tape stays in a drive because its last blocks find no room. */
  get drivesAreFree(): boolean {
    return this.#keptTapes === 0;
  }

  /** A disk takes so many bytes in all; with ROOMY_BYTES it cannot be filled. */
  resize(side: 'east' | 'west', bytes: number): void {
    const { eastVault, westVault } = this.centre;
    (side === 'east' ? eastVault : westVault).resize(bytes);
    this.#roomy[side] = bytes >= ROOMY_BYTES;
    if (side !== 'east') return;
    this.#isFilled = false;
    this.#shrunk ||= bytes < this.#eastBytes;
    this.#eastBytes = bytes;
  }

  /** A job writes its file over the volumes; it may fail where the disk is full, and says why. */
  async backup(hostIndex: number, first: number, blockCount: number, bytes: number): Promise<void> {
    this.#jobCount += 1;
    const volumes = Array.from({ length: 3 }, (_, index) => tapeName((first + index) % TAPES));
    const plan = { file: `JOB${this.#jobCount}`, volumes, blockCount, blockBytes: bytes };
    const isWhole = this.#heldBytes === BALLAST_BYTES;
    const record = await this.world.finish(
      this.centre.host(hostIndex).backup({ ...plan, seed: this.#jobCount }),
      3 * 60 * MINUTE_MS,
    );
    // What ends a tape in order is little.
    const isLeft = this.#heldBytes > BALLAST_BYTES / 2;
    hold(!isWhole || isLeft, () => `${record.file} has what was held back`);
    if (record.state === 'done') return;
    this.#failedCount += 1;
    const { reason = '' } = record;
    hold(!this.#roomy.east, () => `${record.file} failed on a disk with room: ${reason}`);
    const isWaiting = this.#keptTapes > 0 || this.#mountFailures > 0;
    const isKept = isWaiting && reason.includes('was not mounted in time');
    hold(isKept || HOST_TOLD.test(reason), () => `a host on a full disk is told "${reason}"`);
    // The server hears of what the host has given up.
    await this.world.advance(HEARING_MS);
    await this.#clearDrives();
  }

  get #heldBytes(): number {
    return this.centre.eastVault.ballast?.heldBytes ?? 0;
  }

  /** An operator takes out what hosts left; a tape whose last blocks find no room stays until there is some. */
  async #clearDrives(): Promise<void> {
    const { catalog } = this.centre.east;
    for (const { tape } of await catalog.listMounts({ open: true })) {
      await this.#operate('mount.end', { tape });
    }
    this.#keptTapes = (await catalog.listMounts({ open: true })).length;
  }

  /** Asks for what may be refused for want of room; whether it was done. */
  async #operate(name: string, parameters: object): Promise<boolean> {
    const { centre } = this;
    if (!centre.east.running) return false;
    const error = await centre.ask(name, parameters);
    if (error === undefined) return true;
    if (isCapstanError(error, 'NOT_FOUND', 'IN_USE', 'ALREADY_EXISTS')) return false;
    const isWell = isCapstanError(error, ...NO_ROOM) && !this.#roomy.east;
    hold(isWell && !this.#getsThrough(name), () => `${name} is refused: ${error.message}`);
    this.#refusals.push(`${name}: ${error.message}`);
    return false;
  }

  /** On a disk of which others took nothing, what makes room finds some. */
  #getsThrough(operation: string): boolean {
    return !this.#shrunk && MAKES_ROOM.has(operation);
  }

  /** An operator erases a tape, or is told why not; then it is as it was. */
  async erase(index: number): Promise<void> {
    const name = tapeName(index);
    const { writer } = this.centre.tape(name);
    if (await this.#operate('tape.erase', { name })) return this.centre.adoptContent(name);
    hold(
      this.centre.tape(name).writer === writer,
      () => `${name} was not erased and is another tape`,
    );
    return this.centre.look(name);
  }

  async collect(): Promise<void> {
    await this.#operate('vault.collect', { name: 'VAULT00' });
  }

  /** A further tape, if there is room for it. */
  async create(index: number): Promise<void> {
    const name = `NEW${index}`;
    const parameters = { name, pool: POOL, labelType: 'backup', capacityBytes: CAPACITY_BYTES };
    if (await this.#operate('tape.create', parameters)) await this.centre.adoptTape(name);
  }

  /** What is whole is restored, however full the disk is. */
  async restore(which: number): Promise<void> {
    const whole = this.centre.wholeBackups();
    const backup = whole[which % whole.length];
    if (backup !== undefined) await this.centre.checkRestore(backup);
  }

  /** The server loses its power, and starts again on the disk as it is. */
  async crash(side: 'east' | 'west'): Promise<void> {
    const { centre } = this;
    const server = centre[side];
    server.crash('power-cut');
    const starting = centre.startServer(server).then(
      () => undefined,
      (error: unknown) => error,
    );
    const error = await this.world.finish(starting, ANSWER_LIMIT_MS);
    if (side === 'east') this.#keptTapes = 0;
    hold(error === undefined, () => `${side} does not start on a full disk: ${String(error)}`);
  }

  /** What is erased and collected makes room for the next job. */
  async #recoverByErasing(): Promise<void> {
    this.world.trace.record('> room is made by erasing');
    if (!this.centre.east.running) return;
    await this.#clearDrives();
    for (const [index] of Array.from({ length: TAPES }).entries()) await this.erase(index);
    await this.collect();
    await this.backup(0, 0, 3, 500);
    const [last] = this.centre.backups.slice(-1);
    hold(
      last?.state === 'done',
      () => `after erasing, ${last?.file} failed: ${last?.reason ?? ''}`,
    );
  }

  /** Room for all: everything that was owed is done. */
  async finish(): Promise<void> {
    const { centre, world } = this;
    if (this.profile.erases && !this.#shrunk && !this.#isFilled) await this.#recoverByErasing();
    world.trace.record('> there is room again');
    this.resize('east', ROOMY_BYTES);
    this.resize('west', ROOMY_BYTES);
    await this.#clearDrives();
    hold(this.#keptTapes === 0, () => 'with room, a tape stays in its drive');
    await world.advance(6 * MINUTE_MS);
    for (const { ballast } of [centre.eastVault, centre.westVault]) {
      hold(ballast?.isWhole !== false, () => 'with room, none is held back');
    }
    await this.check();
    for (const index of centre.hosts.keys()) await this.backup(index, index * 3, 4, 900);
    await centre.call('autocopy.retry', {});
    await world.advance(DRAIN_MS);
    await this.check();
    await centre.checkInStep();
    for (const backup of centre.wholeBackups()) await centre.checkRestore(backup);
    const [last] = centre.backups.slice(-1);
    hold(last?.state === 'done', () => `with room, ${last?.file} failed: ${last?.reason ?? ''}`);
    await centre.checkStores();
  }

  /** What was refused for want of room, for people. */
  report(): readonly string[] {
    return [
      `${this.#failedCount} of ${this.#jobCount} jobs failed for want of room`,
      ...this.#refusals,
    ];
  }
}

const form = formsFor<FullVault>();
const serves = ({ centre }: Readonly<FullVault>): boolean => centre.east.running;
const side = oneOf('east', 'west');

/** An operator gives a vault another disk, or a quota. */
const disk = form('disk({side}, {kilobytes} KB)', {
  fields: { side, kilobytes: count },
  perform: (scenario, each) => scenario.resize(each.side, each.kilobytes * 1000),
});
const fill = form('fill({side})', {
  fields: { side },
  perform: (scenario, each) => scenario.fill(each.side),
});
const backup = form('backup(host {host}, from tape {first}, {blocks} blocks of {bytes} bytes)', {
  fields: { host: count, first: count, blocks: count, bytes: count },
  possible: serves,
  perform: (scenario, { host, first, blocks, bytes }) =>
    scenario.backup(host, first, blocks, bytes),
});
const restore = form('restore({which})', {
  fields: { which: count },
  possible: (scenario) => serves(scenario) && scenario.drivesAreFree,
  perform: (scenario, { which }) => scenario.restore(which),
});
const erase = form('erase({tape})', {
  fields: { tape: count },
  possible: serves,
  perform: (scenario, { tape }) => scenario.erase(tape),
});
const collect = form('collect()', {
  possible: serves,
  perform: (scenario) => scenario.collect(),
});
const create = form('create({index})', {
  fields: { index: count },
  possible: serves,
  perform: (scenario, { index }) => scenario.create(index),
});
const advance = advanceForm<FullVault>();
const crash = form('crash({side})', {
  fields: { side },
  possible: ({ profile, centre }, each) => profile.crashes && centre[each.side].running,
  perform: (scenario, each) => scenario.crash(each.side),
});

const sides = { side: fc.constantFrom('east' as const, 'west' as const) };

/** With their weights. */
export const FULL_VAULT_COMMANDS: readonly DrawnCommand<FullVault>[] = [
  disk.drawn({ ...sides, kilobytes: fc.constantFrom(200, 300, 400, ROOMY_BYTES / 1000) }),
  fill.drawn(sides, 2),
  backup.drawn(
    {
      host: fc.nat({ max: 1 }),
      first: fc.nat({ max: TAPES - 1 }),
      blocks: fc.integer({ min: 1, max: 40 }),
      bytes: fc.integer({ min: 200, max: 2400 }),
    },
    10,
  ),
  restore.drawn({ which: fc.nat({ max: 9 }) }, 2),
  erase.drawn({ tape: fc.nat({ max: TAPES - 1 }) }, 2),
  collect.drawn({}, 2),
  create.drawn({ index: fc.nat({ max: 3 }) }),
  advance.drawn({ time: fc.constantFrom(1, 5, 61).map((minutes) => minutes * MINUTE_MS) }, 2),
  crash.drawn(sides),
];
