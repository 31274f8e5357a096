/**
 * A server whose licences come, end and are taken away, while its clock is set and its process killed.
 *
 * What must hold after every command: what the operator sees is what was added and not taken away; a licence
 * counts exactly as long as it says, on the server that it says, and never again once it has ended, wherever the
 * clock stands; what needs a licence is refused without one; the end of each is told once.
 */
import { concatBytes } from '../../src/base/bytes.ts';
import { formatTimestamp } from '../../src/base/civil-time.ts';
import { encodeUtf8, toBase64Url, toHex } from '../../src/base/encodings.ts';
import { isCapstanError } from '../../src/base/errors.ts';
import { MINUTE_MS } from '../../src/base/units.ts';
import { LABORATORY, LICENCE_CONTEXT } from '../../src/server/licence-keys.ts';
import type { Feature } from '../../src/server/licence-keys.ts';
import type { LicenceView } from '../../src/server/licences.ts';
import { asError, hold } from '../checker/violation.ts';
import type { StartOptions } from '../scenarios/scenario.ts';
import { simulatedSignature } from '../world/simulated-cryptography.ts';
import { SimulatedServer } from '../world/simulated-server.ts';
import { World } from '../world/world.ts';

const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const ANSWER_LIMIT_MS = 10 * MINUTE_MS;
/** How exactly a server knows how late it has been: a clock that goes back may give it so much again. */
const LATEST_SLACK_MS = HOUR_MS + MINUTE_MS;
const ISSUER = Uint8Array.from({ length: 32 }, (_, index) => index);
const FORGER = Uint8Array.from({ length: 32 }, (_, index) => 255 - index);
/** Event of the event log: a licence has ended. */
const EXPIRED_ID = '641104';

interface Issued {
  readonly features: readonly Feature[];
  readonly server?: string;
  /** Its last day, counted from the world's first. */
  readonly lastDay?: number;
}

/** What there is to be added, by number. */
const ISSUED: Readonly<Record<string, Issued>> = {
  L1: { features: ['autocopy'], lastDay: 2 },
  L2: { features: ['autocopy', 'instant-dr'], lastDay: 15 },
  L3: { features: ['autocopy'], server: 'west' },
  L4: { features: ['encryption'], server: 'east' },
  L5: { features: ['migration'], lastDay: 0 },
};
export const LICENCE_NUMBERS = Object.keys(ISSUED);

export interface LicenceProfile {
  readonly worldSeed: number;
  readonly crashes: boolean;
  /** The wall clock is set, forward and back. */
  readonly clock: boolean;
}

interface Known {
  /** Undefined where a crash hid the answer. */
  isThere: boolean | undefined;
  hasEnded: boolean;
  toldCount: number;
}

export class LicenceWorld {
  readonly world: World;
  readonly east: SimulatedServer;
  readonly profile: LicenceProfile;
  readonly executed: string[] = [];
  readonly #firstDayMs: number;
  readonly #known = new Map<string, Known>();
  /** The latest that the wall clock ever was. */
  #latestMs: number;
  #wasSetBack = false;
  #eventId = 0;

  private constructor({ profile, newVault, sabotage }: StartOptions<LicenceProfile>) {
    this.profile = profile;
    const world = new World(profile.worldSeed);
    this.world = world;
    this.east = new SimulatedServer(world, {
      settings: {
        serverName: 'east',
        systemId: 'CAPSTAN',
        address: '10.0.0.1',
        hosts: [],
        licencePublicKeys: [toHex(ISSUER)],
      },
      vault: newVault({ seed: profile.worldSeed, leftovers: 'ordered' }),
      replicationPorts: [],
      keepAlive: true,
      ...(sabotage.east && { sabotage: sabotage.east }),
    });
    this.#firstDayMs = world.clock.nowMs();
    this.#latestMs = this.#firstDayMs;
  }

  static async start(options: StartOptions<LicenceProfile>): Promise<LicenceWorld> {
    const licences = new LicenceWorld(options);
    await licences.restart();
    await licences.#call('vault.create', { name: 'VAULT00', path: '/vault00' });
    await licences.#call('pool.create', { name: 'DAILY', vault: 'VAULT00' });
    return licences;
  }

  async restart(): Promise<void> {
    await this.world.finish(this.east.start(), ANSWER_LIMIT_MS);
  }

  /** What it gives; undefined where the server was killed meanwhile. */
  async #call(name: string, parameters: object): Promise<unknown> {
    const { east, world } = this;
    const { crashCount } = east;
    let answer: { readonly value?: unknown; readonly error?: unknown } | undefined;
    void east.server.operations.call(name, parameters).then(
      (value) => (answer = { value }),
      (error: unknown) => (answer = { error }),
    );
    await world.until(
      () => answer !== undefined || east.crashCount !== crashCount,
      ANSWER_LIMIT_MS,
    );
    if (answer?.error !== undefined) throw asError(answer.error);
    return answer?.value;
  }

  #of(number: string): Known {
    const isThere = number === LABORATORY;
    const known = this.#known.get(number) ?? { isThere, hasEnded: false, toldCount: 0 };
    this.#known.set(number, known);
    return known;
  }

  #endMs(number: string): number {
    const { lastDay = Infinity } = ISSUED[number] ?? {};
    return this.#firstDayMs + (lastDay + 1) * DAY_MS;
  }

  /** The operator adds a key of this number; a forged one has a signature that counts nothing. */
  async add(number: string, forged: boolean): Promise<void> {
    const known = this.#of(number);
    const { crashCount } = this.east;
    try {
      await this.#call('licence.add', { key: this.#key(number, forged) });
    } catch (error) {
      if (!isCapstanError(error, 'INVALID_ARGUMENT')) throw error;
      const elsewhere = (ISSUED[number]?.server ?? 'east') !== 'east';
      const isOver = this.#latestMs >= this.#endMs(number) - LATEST_SLACK_MS;
      hold(forged || elsewhere || isOver, () => `${number} is refused: ${error.message}`);
      return;
    }
    if (forged) {
      hold(this.east.crashCount !== crashCount, () => `a forged ${number} is taken`);
      return;
    }
    known.isThere = this.east.crashCount === crashCount ? true : undefined;
    known.toldCount = 0;
  }

  #key(number: string, forged: boolean): string {
    const { features = [], server, lastDay } = ISSUED[number] ?? {};
    const day = (atMs: number): string => formatTimestamp(atMs).slice(0, 10);
    const payload = encodeUtf8(
      JSON.stringify({
        number,
        holder: 'Example',
        features,
        ...(server !== undefined && { server }),
        issued: day(this.#firstDayMs),
        ...(lastDay !== undefined && { expires: day(this.#firstDayMs + lastDay * DAY_MS) }),
      }),
    );
    const message = concatBytes([encodeUtf8(LICENCE_CONTEXT), payload]);
    const signature = simulatedSignature(forged ? FORGER : ISSUER, message);
    return `CAPSTAN1-${toBase64Url(payload)}.${toBase64Url(signature)}`;
  }

  async remove(number: string): Promise<void> {
    const known = this.#of(number);
    const { crashCount } = this.east;
    try {
      await this.#call('licence.remove', { number });
    } catch (error) {
      if (!isCapstanError(error, 'NOT_FOUND')) throw error;
      hold(known.isThere !== true, () => `${number} is not found, and was added`);
      return;
    }
    known.isThere = this.east.crashCount === crashCount ? false : undefined;
  }

  setClock(byMs: number): void {
    if (byMs < 0) this.#wasSetBack = true;
    this.world.clock.stepWall(byMs);
  }

  async check(): Promise<void> {
    const nowMs = this.world.clock.nowMs();
    hold(this.east.faults.length === 0, () => `a fault of its own: ${this.east.faults[0]}`);
    if (!this.east.running) return;
    this.#latestMs = Math.max(this.#latestMs, nowMs);
    const views = (await this.#call('licence.list', {})) as readonly LicenceView[] | undefined;
    if (views === undefined) return;
    for (const number of [...LICENCE_NUMBERS, LABORATORY]) {
      this.#checkOne(
        number,
        views.find((view) => view.number === number),
        nowMs,
      );
    }
    await this.#checkUse(views);
    await this.#checkEvents();
  }

  #checkOne(number: string, view: LicenceView | undefined, nowMs: number): void {
    const known = this.#of(number);
    known.isThere ??= view !== undefined;
    hold(
      known.isThere === (view !== undefined),
      () => `${number} is ${view === undefined ? 'not ' : ''}shown`,
    );
    if (view === undefined) return;
    const { state } = view;
    if ((ISSUED[number]?.server ?? 'east') !== 'east') {
      hold(state === 'for another server', () => `${number} is of another server, and ${state}`);
      return;
    }
    if (nowMs >= this.#endMs(number)) known.hasEnded = true;
    const isSure = !this.#wasSetBack || known.hasEnded;
    if (isSure) {
      const expected = known.hasEnded ? 'expired' : 'valid';
      hold(state === expected, () => `${number} is ${state}, and has to be ${expected}`);
    }
  }

  /** What needs a licence is done with one, and not without. */
  async #checkUse(views: readonly LicenceView[]): Promise<void> {
    const carries = views.some(
      ({ state, features }) => state === 'valid' && features.includes('autocopy'),
    );
    const { crashCount } = this.east;
    const target = { server: 'west', address: '10.0.0.2', port: 2201, user: 'capstan' };
    const identity = { hostKey: 'SHA256:simulated', transport: 'ssh2' };
    let done = true;
    try {
      const rule = await this.#call('autocopy.create', {
        pool: 'DAILY',
        target: { ...target, ...identity },
        targetPool: 'DR',
      });
      if (this.east.crashCount !== crashCount) return;
      await this.#call('autocopy.delete', { id: (rule as { readonly id: number }).id });
    } catch (error) {
      if (isCapstanError(error, 'ALREADY_EXISTS')) return;
      if (!isCapstanError(error, 'LICENCE_MISSING')) throw error;
      done = false;
    }
    hold(
      done === carries,
      () => `AutoCopy is ${done ? 'done without a' : 'refused with its'} licence`,
    );
  }

  async #checkEvents(): Promise<void> {
    const events = await this.east.catalog.listEvents({ afterId: this.#eventId, limit: 1000 });
    for (const { id, messageId, text } of events) {
      this.#eventId = id;
      if (messageId !== EXPIRED_ID) continue;
      const number = LICENCE_NUMBERS.find((each) => text.includes(each));
      if (number === undefined) continue;
      const known = this.#of(number);
      known.toldCount += 1;
      hold(known.toldCount <= 1, () => `the end of ${number} is told for the second time`);
    }
  }

  /** The server runs, some days go by, and the laboratory's licence is there again. */
  async finish(): Promise<void> {
    this.world.trace.record('> finale');
    this.east.cancelCrash();
    if (!this.east.running) await this.restart();
    await this.check();
    await this.world.advance(20 * DAY_MS);
    await this.check();
    await this.#call('licence.add', { key: LABORATORY });
    this.#of(LABORATORY).isThere = true;
    await this.check();
  }
}
