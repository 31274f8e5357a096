/**
 * A scenario of commands and clean-up: a tape server, a NonStop host that sends VTSPolicy commands by every
 * route, a backup management application with moods, and users who lock, authorize and forbid.
 *
 * Pool SHORT keeps a day, pool LONG for ever; each has a tape. Scan/Cleanup runs at 02:00 and erases by itself.
 */
import { assert } from '../../src/base/assert.ts';
import { GIB, MINUTE_MS } from '../../src/base/units.ts';
import { WRITE_TO_0 } from '../../src/ems/vtspolicy.ts';
import { ErasureChecker } from '../checker/erasures.ts';
import { hold } from '../checker/violation.ts';
import type { MountedTape } from '../hosts/mount-request.ts';
import { NonStopHost } from '../hosts/nonstop-host.ts';
import { sendByFup, sendByMacro, sendByNetBatch } from '../hosts/policy-routes.ts';
import { BMA_PROGRAM, BackupApplication } from '../peers/backup-application.ts';
import { Life } from '../world/life.ts';
import { SimulatedServer } from '../world/simulated-server.ts';
import type { Mutant } from '../mutants/mutant.ts';
import type { Leftovers, NewVault } from '../world/simulated-vault.ts';
import type { Wire } from '../world/simulated-wire.ts';
import { World } from '../world/world.ts';

export const DAY_MS = 24 * 60 * MINUTE_MS;
const ADDRESS = '10.0.0.1';
const HOST_ADDRESS = '10.0.0.9';
const NODE = '\\LAB';
const USER = 'SUPER.TAPE';
const RULES = { minSizeBytes: 2000, usagePercentMax: 80 };
const ANSWER_LIMIT_MS = 15 * MINUTE_MS;
const SETTLING_MS = 10_000;
const CLIENT_TIMEOUT_MS = 5 * MINUTE_MS;

export const POLICY_TAPES = [
  { name: 'LAB001', pool: 'SHORT' },
  { name: 'LAB002', pool: 'LONG' },
] as const;

export type PolicyRoute = 'macro' | 'fup' | 'netbatch';

/** What a run may have. */
export interface PolicyProfile {
  readonly worldSeed: number;
  readonly crashes: boolean;
  readonly crashesInside: boolean;
  readonly powerCuts: boolean;
  /** The application's client does not always work. */
  readonly moods: boolean;
  /** Users lock. */
  readonly locks: boolean;
  /** Users decide against the rules. */
  readonly forbids: boolean;
  readonly leftovers: Leftovers;
}

export interface PolicyScenarioOptions {
  readonly profile: PolicyProfile;
  readonly newVault: NewVault;
  readonly sabotage: Mutant['sabotage'];
}

export class PolicyScenario {
  readonly profile: PolicyProfile;
  readonly world: World;
  readonly server: SimulatedServer;
  readonly host: NonStopHost;
  readonly backup = new BackupApplication();
  readonly checker: ErasureChecker;
  readonly mounted: (MountedTape | undefined)[] = POLICY_TAPES.map(() => undefined);
  /** The commands that ran, as texts. */
  readonly executed: string[] = [];

  private constructor(options: PolicyScenarioOptions) {
    const { profile, newVault } = options;
    const sabotage = options.sabotage.east;
    this.profile = profile;
    const world = new World(profile.worldSeed);
    this.world = world;
    const server = new SimulatedServer(world, {
      settings: {
        serverName: 'east',
        systemId: 'CAPSTAN',
        address: ADDRESS,
        hosts: [
          {
            host: NODE,
            endpoint: { address: HOST_ADDRESS, port: 23 },
            user: USER,
            password: 'secret',
            // A year's silence is nothing; a cut wire is told of at once.
            parameters: { keepAliveMs: DAY_MS },
          },
        ],
        cleanup: { enable: true, autoerase: true, ...RULES },
        hsm: {
          enable: true,
          backup: {
            TSM: {
              command: [BMA_PROGRAM, '--path', '{path}', '--generation', '{generation}'],
              keywords: [],
              timeoutMs: CLIENT_TIMEOUT_MS,
            },
          },
        },
      },
      vault: newVault({ seed: profile.worldSeed, leftovers: profile.leftovers }),
      replicationPorts: [],
      keepAlive: true,
      backup: this.backup,
      sabotage: {
        ...sabotage,
        catalog: (catalog, startedAtMs) => {
          const watched = this.checker.watch(catalog);
          return sabotage?.catalog?.(watched, startedAtMs) ?? watched;
        },
      },
      onKilled: () => {
        for (const tape of this.mounted) tape?.abandon();
        this.mounted.fill(undefined);
      },
    });
    this.server = server;
    this.checker = new ErasureChecker({
      ...RULES,
      catalog: server.catalog,
      clock: world.clock,
      backup: this.backup,
      usage: () => server.fileSystem,
    });
    this.host = new NonStopHost({
      node: NODE,
      clock: world.clock,
      network: world.network.port(HOST_ADDRESS, new Life()),
      devices: new Map(
        POLICY_TAPES.map((_, index) => [device(index), server.transport(drive(index))]),
      ),
      user: USER,
      password: 'secret',
    });
  }

  static async start(options: PolicyScenarioOptions): Promise<PolicyScenario> {
    const scenario = new PolicyScenario(options);
    const { world, server, host } = scenario;
    await host.listen({ address: HOST_ADDRESS, port: 23 });
    await world.finish(server.start(), ANSWER_LIMIT_MS);
    const call = (name: string, parameters: object): Promise<unknown> =>
      world.finish(server.server.operations.call(name, parameters), ANSWER_LIMIT_MS);
    await call('vault.create', { name: 'VAULT00', path: '/vault00' });
    await call('pool.create', { name: 'SHORT', vault: 'VAULT00' });
    await call('pool.create', { name: 'LONG', vault: 'VAULT00' });
    await call('pool.modify', { name: 'SHORT', retentionMs: DAY_MS });
    for (const [index, { name, pool }] of POLICY_TAPES.entries()) {
      await call('tape.create', { name, pool, labelType: 'backup', capacityBytes: GIB });
      await call('drive.create', { name: drive(index), host: NODE, device: device(index) });
    }
    await world.advance(SETTLING_MS);
    // The server has heard the host: what comes while it is down is asked for afterwards.
    sendByMacro(host.collector, 'THE HOST IS UP');
    await world.advance(SETTLING_MS);
    return scenario;
  }

  get wire(): Wire {
    return this.world.network.wire(ADDRESS, HOST_ADDRESS);
  }

  /** The host sends a command; `tapes` are what it may erase here, where it comes through whole. */
  send(route: PolicyRoute, text: string, tapes: readonly string[]): void {
    const cut = route === 'fup' && text.length > WRITE_TO_0.textCharsMax;
    this.checker.sent.push({ text, mayErase: new Set(cut ? [] : tapes) });
    const { collector } = this.host;
    if (route === 'macro') sendByMacro(collector, text);
    else if (route === 'fup') sendByFup(collector, text);
    else sendByNetBatch(collector, text, { clock: this.world.clock, minutes: 1 });
  }

  /** An operation of a user; undefined where the server was killed in it, which leaves its effect open. */
  async operate(name: string, parameters: object = {}): Promise<unknown> {
    const { crashCount } = this.server;
    const calling = this.server.server.operations.call(name, parameters);
    const settled = calling.then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    let answer: { readonly value?: unknown; readonly error?: unknown } | undefined;
    void settled.then((given) => {
      answer = given;
    });
    await this.world.until(
      () => answer !== undefined || this.server.crashCount !== crashCount,
      ANSWER_LIMIT_MS,
    );
    if (this.server.crashCount === crashCount) {
      hold(answer !== undefined, () => `${name} was not answered`);
    }
    return answer === undefined || 'error' in answer ? undefined : (answer.value ?? true);
  }

  /** The host mounts a tape with ring; nothing where the server does not answer. */
  async mount(index: number): Promise<void> {
    const mounting = this.host
      .requestMount({ volume: tapeName(index), ring: true, timeoutMs: MINUTE_MS })
      .catch(() => undefined);
    this.mounted[index] = await this.world.finish(mounting, ANSWER_LIMIT_MS);
  }

  /** Writes blocks behind what is there, and gives the tape back. */
  async writeAndUnload(index: number, blockCount: number): Promise<void> {
    const mounted = this.mounted[index];
    assert(mounted !== undefined, 'what is written is mounted');
    const work = async (): Promise<void> => {
      const { operations } = mounted;
      await operations.spaceToEndOfData();
      for (let count = 0; count < blockCount; count += 1) {
        await operations.writeBlock(this.world.random.bytes(1000));
      }
      if (blockCount > 0) await operations.writeFilemarks(1);
      await mounted.unload();
    };
    await this.world.finish(
      work().catch(() => undefined),
      ANSWER_LIMIT_MS,
    );
    mounted.abandon();
    this.mounted[index] = undefined;
    await this.world.advance(1000);
  }

  async restart(): Promise<void> {
    await this.world.finish(this.server.start(), ANSWER_LIMIT_MS);
    await this.world.advance(SETTLING_MS);
  }

  /** Every invariant that holds at any time. */
  async check(): Promise<void> {
    const { checker, server } = this;
    const { catalog } = server;
    hold(checker.violations.length === 0, () => checker.violations[0] ?? '');
    hold(server.faults.length === 0, () => `east: ${server.faults[0] ?? ''}`);
    const runs = await catalog.listPolicyRuns({ limit: 10_000 });
    hold(runs.length <= checker.sent.length, () => 'a command was taken twice');
    if (!server.running) return;
    for (const tape of await catalog.listTapes()) {
      const image = (await server.engine?.listImages())?.find(({ name }) => name === tape.name);
      const found = image?.generation ?? -1;
      hold(found >= tape.generation, () => `${tape.name} has generation ${found}, behind its row`);
      // A mounted tape, or one that a crash took from its host, is ahead of its row.
      if (image === undefined || found > tape.generation) continue;
      const isEmpty = image.partitions.every(({ objectCount }) => objectCount === 0);
      hold(
        isEmpty === (tape.payloadBytes === 0),
        () => `${tape.name} is ${isEmpty ? '' : 'not '}empty, and the catalog says otherwise`,
      );
    }
    if ((await catalog.listErasures()).length === 0) this.#checkLists();
  }

  /** Each erase of Scan/Cleanup stands in a list once. */
  #checkLists(): void {
    const lines = [...this.server.logFiles.files.values()].join('').split('\n');
    for (const { name, pool } of POLICY_TAPES) {
      const path = `/VAULT00/${pool}/${name}`;
      const listed = lines.filter((line) => line === `${path} erased`).length;
      const erased = this.checker.cleanedUp.get(path) ?? 0;
      hold(listed === erased, () => `${path} was erased ${erased} times and is listed ${listed}`);
    }
  }
}

export const tapeName = (index: number): string => POLICY_TAPES[index]?.name ?? '';
const drive = (index: number): string => `VTD0${index}`;
const device = (index: number): string => `$TAPE${index}`;
