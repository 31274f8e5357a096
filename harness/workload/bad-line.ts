/**
 * `bad-line`: two servers, AutoCopy and Instant DR from one to the other over several streams at a time, and
 * hosts on both; what fails is the line, one stream of it among others, and what the two servers do meanwhile.
 *
 * What the harness knows of the tapes is {@link DrWorld}'s; here is what must hold of a copy while it goes, of
 * who is told of it, and of what the line carries.
 */
import { assert } from '../../src/base/assert.ts';
import { MINUTE_MS } from '../../src/base/units.ts';
import type { AutoCopyStatus } from '../../src/server/autocopy-status.ts';
import { manifestDigest } from '../checker/image-content.ts';
import { LineRules } from '../checker/line-rules.ts';
import { Refusals } from '../checker/refusals.ts';
import { hold } from '../checker/violation.ts';
import type { VersionKey } from '../model/tape-lineage.ts';
import type { StartOptions } from '../scenarios/scenario.ts';
import { SimulatedRandom } from '../world/simulated-random.ts';
import type { Wire } from '../world/simulated-wire.ts';
import type { World } from '../world/world.ts';
import { POOLS, other, targetAt } from './dr-sides.ts';
import type { Side } from './dr-sides.ts';
import { DR_TAPES, DrWorld } from './dr-world.ts';
import type { CommonProfile } from './fault-profile.ts';

/** Twelve attempts, five minutes apart, fit into it. */
const DRAIN_MS = 61 * MINUTE_MS;
/** New tapes are copied in it, at whatever speed. */
const FIRST_COPIES_MS = MINUTE_MS;
/** What a store says of an image that a host writes. */
const IN_USE = 'is open for writing';
/** A copy that was cancelled has left the line after this. */
const CANCELLED_MS_MAX = 50;

export interface BadLineProfile extends CommonProfile {
  /** Copies of each server may send {@link LIMIT_BYTES_PER_SECOND} in all: they take a while. */
  readonly limited: boolean;
}

const LIMIT_BYTES_PER_SECOND = 65_536;

const SIDES = ['east', 'west'] as const;

export class BadLineWorld {
  readonly dr: DrWorld;
  readonly #rules: Readonly<Record<Side, LineRules>>;
  readonly #refusals: Refusals;
  /** What the receivers have logged. */
  readonly #said: readonly string[];
  /** The line may have changed what went over it: then a side may say that the other broke the protocol. */
  isChanged = false;
  /** What a host found when it mounted the tape. */
  readonly #atMount: Readonly<Record<Side, Map<number, VersionKey | undefined>>> = {
    east: new Map(),
    west: new Map(),
  };

  private constructor(
    dr: DrWorld,
    rules: Readonly<Record<Side, LineRules>>,
    said: readonly string[],
  ) {
    this.dr = dr;
    this.#said = said;
    this.#rules = rules;
    this.#refusals = new Refusals(dr);
  }

  static async start(options: StartOptions<BadLineProfile>): Promise<BadLineWorld> {
    const { limited, ...profile } = options.profile;
    const copyBytesPerSecond = limited ? LIMIT_BYTES_PER_SECOND : undefined;
    const rules = new Map<Side, LineRules>();
    const rulesOf = (side: Side): LineRules => {
      const known = rules.get(side);
      assert(known !== undefined, 'each server has rules');
      return known;
    };
    const said: string[] = [];
    const dr = await DrWorld.start({
      ...options,
      profile: { ...profile, schedules: [], copyBytesPerSecond },
      watch: (side, clock) => {
        rules.set(side, new LineRules(side, clock, copyBytesPerSecond));
        return {
          onFamily: (family) => rulesOf(side).add(family),
          onSent: (bytes) => rulesOf(side).sent(bytes),
          onReplicationLog: (sentence) => said.push(sentence),
        };
      },
    });
    await dr.call('east', 'autocopy.create', {
      pool: POOLS.east,
      target: targetAt('west'),
      targetPool: POOLS.west,
    });
    // The target has every tape, so that its hosts have something to mount.
    for (const name of DR_TAPES) await dr.call('east', 'autocopy.repeat', { name });
    await dr.world.advance(FIRST_COPIES_MS);
    await dr.check();
    return new BadLineWorld(dr, { east: rulesOf('east'), west: rulesOf('west') }, said);
  }

  get world(): World {
    return this.dr.world;
  }

  get executed(): string[] {
    return this.dr.executed;
  }

  get wire(): Wire {
    return this.dr.wire;
  }

  /** A host mounts the tape, and leaves it as it is. */
  async mount(side: Side, tape: number): Promise<void> {
    await this.dr.mount(side, tape);
    if (this.dr.isMounted(side, tape)) this.#atMount[side].set(tape, await this.#key(side, tape));
  }

  /** A host mounts the tape, writes blocks of that seed behind what is there, and gives it back. */
  async job(side: Side, tape: number, data: { readonly blocks: number; readonly seed: number }) {
    await this.mount(side, tape);
    await this.write(side, tape, data);
    await this.dr.dismount(side, tape);
  }

  async write(
    side: Side,
    tape: number,
    { blocks, seed }: { readonly blocks: number; readonly seed: number },
  ): Promise<void> {
    // No version is made twice: it would not be known where it comes from.
    const random = new SimulatedRandom(2 * seed + SIDES.indexOf(side));
    const data = Array.from({ length: blocks }, () => random.bytes(1500));
    await this.dr.writeBlocks(side, tape, data);
  }

  /** An operator ends what AutoCopy owes of the tape; it is off the line soon after. */
  async cancel(tape: number): Promise<void> {
    const { name } = this.dr.tape(tape);
    const { catalog } = this.dr.servers.east;
    const error = await this.dr.ask('east', 'autocopy.cancel', { name });
    await this.world.advance(CANCELLED_MS_MAX);
    if (error !== undefined || !this.dr.servers.east.running) return;
    const runs = await catalog.listIdrRuns({ running: true, limit: 1 });
    const jobs = await catalog.listCopyJobs();
    const goesOn = runs.length > 0 || jobs.some(({ state }) => state === 'due');
    hold(goesOn || !this.#rules.east.hasOpen, () => `the cancelled copy of ${name} has a line`);
  }

  async #status(): Promise<AutoCopyStatus> {
    return (await this.dr.call('east', 'autocopy.status', {})) as AutoCopyStatus;
  }

  async #key(side: Side, tape: number): Promise<VersionKey | undefined> {
    const { engine } = this.dr.servers[side];
    const { name } = this.dr.tape(tape);
    const image = (await engine?.listImages())?.find((each) => each.name === name);
    if (engine === undefined || image === undefined) return undefined;
    return `${image.generation}:${await manifestDigest(engine, name)}`;
  }

  /** Throws InvariantViolation where something does not hold that must at any time. */
  async check(): Promise<void> {
    await this.dr.check();
    for (const side of SIDES) {
      this.#rules[side].check();
      await this.#checkMounted(side);
      await this.#checkOrigins(side);
    }
    await this.#checkCopied();
    await this.#refusals.check();
    await this.#checkManners();
  }

  /** What a host has changes by that host alone. */
  async #checkMounted(side: Side): Promise<void> {
    for (const [tape, found] of this.#atMount[side]) {
      if (!this.dr.isMounted(side, tape)) {
        this.#atMount[side].delete(tape);
        continue;
      }
      const { name, lineage } = this.dr.tape(tape);
      const key = await this.#key(side, tape);
      hold(
        key === found || key === undefined || lineage.makerOf(key) === side,
        () => `${name} was replaced on ${side} while a host had it`,
      );
    }
  }

  /** A tape's row says where its content was written. */
  async #checkOrigins(side: Side): Promise<void> {
    const server = this.dr.servers[side];
    if (!server.running) return;
    for (const [tape, { name, lineage, seen }] of this.dr.tapes.entries()) {
      const [key, row] = [seen[side], await server.catalog.findTape(name)];
      if (key === undefined || row === undefined || this.dr.isMounted(side, tape)) continue;
      if (!key.startsWith(`${row.generation}:`)) continue;
      const isOwn = lineage.makerOf(key) === side;
      hold(
        row.copiedFrom === (isOwn ? undefined : other(side)),
        () =>
          `${name} on ${side} comes from ${lineage.makerOf(key)}, its row says ${row.copiedFrom}`,
      );
    }
  }

  /** No side breaks the protocol, and a tape that a host has is refused before the store has to. */
  async #checkManners(): Promise<void> {
    const jobs = await this.dr.servers.east.catalog.listCopyJobs();
    const sentences = [...this.#said, ...jobs.map(({ lastError }) => lastError ?? '')];
    const unfit = this.isChanged ? [IN_USE] : [IN_USE, 'broke the replication protocol'];
    const said = sentences.find((sentence) => unfit.some((each) => sentence.includes(each)));
    hold(said === undefined, () => said ?? '');
  }

  /** What the source calls copied is on the target. */
  async #checkCopied(): Promise<void> {
    const { east, west } = this.dr.servers;
    if (!west.running) return;
    for (const { tape, state, copiedGeneration } of await east.catalog.listCopyJobs()) {
      if (state !== 'copied') continue;
      const key = this.dr.tapes.find(({ name }) => name === tape)?.seen.west;
      hold(
        Number.parseInt(key ?? '-1', 10) >= (copiedGeneration ?? 0),
        () => `${tape} is called copied at generation ${copiedGeneration}, west has ${key}`,
      );
    }
  }

  /** All is made well; then AutoCopy brings every tape into step that only one side wrote. */
  async finish(): Promise<void> {
    const { dr, world } = this;
    world.trace.record('> finale');
    await dr.makeWell();
    await this.check();
    await dr.ask('east', 'autocopy.retry', {});
    await world.advance(DRAIN_MS);
    await this.check();
    for (const { tape, state, lastError } of (await this.#status()).tapes) {
      const watched = dr.tapes.find(({ name }) => name === tape);
      assert(watched !== undefined, 'the world knows the tape');
      const isSettled =
        state === 'failed' ? dr.conflicts(watched) : !['copying', 'retrying'].includes(state);
      hold(isSettled, () => `${tape} is ${state} where nothing fails: ${lastError}`);
    }
    await dr.checkStores();
  }
}

export const TAPE_COUNT = DR_TAPES.length;
