/**
 * Power cuts under whole servers. East backs tapes up and copies them to west, one pool by AutoCopy, one
 * by Instant DR; each has a loop-mounted file system of its own. At a drawn moment, mostly in the middle of a copy,
 * the power of one or both fails; the file systems are mounted again as the cut has left them, the
 * servers start, and each must have whatever it had acknowledged. Some lives go by on the same disks; in
 * the end all copies must be made, and both sides be alike.
 *
 * That this finds anything is shown in the same way: with a library under the servers whose syncs do
 * nothing, each cut must be found to have lost something.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { SimulatedRandom } from '../../../harness/world/simulated-random.ts';
import { isCapstanError } from '../../../src/base/errors.ts';
import { createHome, FIRST_VAULT } from '../../../src/cli/create-home.ts';
import { homePaths } from '../../../src/cli/home.ts';
import { systemClock } from '../../../src/platform/system-clock.ts';
import { sleep } from '../../../src/ports/clock.ts';
import type { CopyJobRow, MountRow } from '../../../src/ports/catalog.ts';
import { LOOP_FILE_SYSTEMS, Mount, SHUTDOWN_FLAGS, whyNoLoop } from '../disks/mounts.ts';
import type { LoopFileSystem, Shutdown } from '../disks/mounts.ts';
import { run } from '../disks/tools.ts';
import { buildNoSync } from '../disks/power-cuts.ts';
import { PartReport } from '../disks/report.ts';
import { DEVICE, DRIVE, HOST, POOLS, SCHEME, VOLUMES } from './layout.ts';
import { differences } from './ledger.ts';
import type { Target } from './ledger.ts';
import { Site } from './site-process.ts';

const IMAGE_MIB = { ext4: 400, xfs: 500 } as const satisfies Record<LoopFileSystem, number>;
const FILE_SYSTEMS = Object.keys(LOOP_FILE_SYSTEMS) as LoopFileSystem[];
const SHUTDOWNS = Object.keys(SHUTDOWN_FLAGS) as Shutdown[];
const LIVES_MAX = 5;
const SEEDS = 1_000_000;
const LOOPBACK = '127.0.0.1';
/** Until the cut, from when the host works. */
const CUT_AFTER_MS_MAX = 1500;
/** Behind the beginning of a copy. */
const IN_COPY_MS_MAX = 120;
const COPY_BEGINS_MS_MAX = 10_000;
/** A liar must have had something to lie about. */
const LIE_AFTER_MS = 2500;
const COPIES_END_MS_MAX = 60_000;
const POLL_MS = 100;
/** So long a run of Instant DR is given before a further one is asked for. */
const ROUNDS_A_RUN = 60;
const RETRY_SECONDS = 1;
/** Of a site, for who looks into a failure. */
const SAID_LINES = 20;

export interface OutageOptions {
  /** An empty folder on a disk with 2 GB of room. */
  readonly folder: string;
  readonly seed: number;
  readonly cutsMax: number;
  readonly lyingCutsMax: number;
  readonly onCut?: (line: string) => void;
}

/** Runs the campaign; what the machine lacks is told as skipped. */
export async function runOutages(options: OutageOptions): Promise<PartReport> {
  const report = new PartReport('outages');
  const random = new SimulatedRandom(options.seed);
  const usable: LoopFileSystem[] = [];
  for (const fileSystem of FILE_SYSTEMS) {
    const lacking = await whyNoLoop(options.folder, fileSystem);
    if (lacking === undefined) usable.push(fileSystem);
    else report.skip(`outages on ${fileSystem}`, lacking);
  }
  if (usable.length === 0) return report;
  const noSync = await buildNoSync(options.folder);
  const campaign = { options, report, random };
  for (let count = 0; count < options.lyingCutsMax; count += 1) {
    await new Centre({ ...campaign, fileSystem: pick(random, usable), noSync }).run(1);
  }
  for (let count = 0; count < options.cutsMax;) {
    const lives = Math.min(LIVES_MAX, options.cutsMax - count);
    const fileSystem = usable[Math.floor(count / LIVES_MAX) % usable.length] ?? 'ext4';
    await new Centre({ ...campaign, fileSystem, noSync: undefined }).run(lives);
    count += lives;
  }
  return report;
}

interface CentreOptions {
  readonly options: OutageOptions;
  readonly report: PartReport;
  readonly random: SimulatedRandom;
  readonly fileSystem: LoopFileSystem;
  /** The library of buildNoSync: the cut must then be found to have lost something. */
  readonly noSync: string | undefined;
}

/** Both sites, from new disks to their end. */
class Centre {
  readonly #options: CentreOptions;
  #sites: { readonly east: Site; readonly west: Site } | undefined;

  constructor(options: CentreOptions) {
    this.#options = options;
  }

  get #both(): { readonly east: Site; readonly west: Site } {
    if (this.#sites === undefined) throw new Error('the sites are there');
    return this.#sites;
  }

  async run(lives: number): Promise<void> {
    const { report, noSync, fileSystem } = this.#options;
    try {
      await this.#make();
      for (let life = 1; life <= lives; life += 1) {
        const { what, failure } = await this.#live();
        this.#tell(`${fileSystem}, life ${life}, ${what}`, failure);
        // What is lost is lost: more lives would only say so again.
        if (failure !== undefined) return;
      }
      if (noSync === undefined) {
        const failure = await this.#finale();
        if (failure !== undefined) report.fail(`${fileSystem}, at the end: ${failure}`);
      }
    } finally {
      const sites = this.#sites === undefined ? [] : Object.values(this.#sites);
      for (const site of sites) {
        await site.kill();
        report.count('acknowledgements', site.ledger.acknowledgedCount);
        await site.unmount();
      }
    }
  }

  /** With syncs that lie, it is a failure that none is found. */
  #tell(cut: string, failure: string | undefined): void {
    const { report, noSync, options, fileSystem } = this.#options;
    const outcome = failure ?? 'all is there';
    if (noSync === undefined) {
      report.count(`${fileSystem} cuts`);
      if (failure !== undefined) report.fail(`${cut}: ${failure}`);
      options.onCut?.(`${cut}: ${outcome}`);
      return;
    }
    report.count('cuts with lying syncs');
    if (failure === undefined) report.fail(`${cut}: syncs that do nothing were not noticed`);
    else report.count('of them noticed');
    options.onCut?.(`${cut}, with syncs that lie: ${outcome}`);
  }

  /** New disks, homes and servers, with what they copy. */
  async #make(): Promise<void> {
    const { options, fileSystem, noSync, random } = this.#options;
    const environment = {
      // Sites start hundreds of times.
      NODE_COMPILE_CACHE: join(options.folder, 'compile-cache'),
      ...(noSync !== undefined && { LD_PRELOAD: noSync }),
    };
    const [hostPort, sshPort] = [await freePort(), await freePort()];
    const site = async (name: string, port: number): Promise<Site> => {
      const folder = join(options.folder, name);
      await mkdir(folder, { recursive: true });
      const mount = await Mount.ofImage(folder, fileSystem, IMAGE_MIB[fileSystem]);
      return new Site({ name, mount, hostPort: port, environment });
    };
    const east = await site('east', hostPort);
    const west = await site('west', 0);
    this.#sites = { east, west };
    const autocopy = { retryIntervalSeconds: RETRY_SECONDS, attemptsMax: 1000 };
    const passwordFile = 'keys/host_password';
    const made = await createHome({
      home: east.home,
      name: 'east',
      listen: { address: LOOPBACK, port: 0 },
      ems: [{ host: HOST.node, address: LOOPBACK, port: hostPort, user: HOST.user, passwordFile }],
      autocopy,
    });
    await writeFile(join(east.home, passwordFile), `${HOST.password}\n`, { mode: 0o600 });
    const listen = { address: LOOPBACK, port: sshPort };
    const { hostKeyFingerprint } = await createHome({ home: west.home, name: 'west', listen });
    await writeFile(homePaths(west.home).authorizedKeys, `${made.publicKey}\n`, { mode: 0o600 });
    // What the campaign itself has written is not what is tried.
    for (const { home } of [east, west]) await run('sync', '--file-system', home);
    await Promise.all([west, east].map((each) => each.start(random.below(SEEDS))));
    await this.#configure(east, {
      server: 'west',
      address: LOOPBACK,
      port: sshPort,
      user: 'capstan',
      hostKey: hostKeyFingerprint,
      transport: 'ssh2',
    });
  }

  async #configure({ client }: Site, target: Target): Promise<void> {
    const [auto, instant] = POOLS;
    for (const name of POOLS) await client.call('pool.create', { name, vault: FIRST_VAULT });
    await client.call('autocopy.create', { pool: auto, target, targetPool: auto });
    await client.call('idr.create', { name: SCHEME, target, sources: [{ pool: instant }] });
    await client.call('drive.create', { name: DRIVE, host: HOST.node, device: DEVICE });
    for (const [index, name] of VOLUMES.entries()) {
      await client.call('tape.create', { name, pool: POOLS[index % POOLS.length] });
    }
  }

  /** Work, a cut, and what is left. */
  async #live(): Promise<{ readonly what: string; readonly failure?: string }> {
    const { random, report, noSync } = this.#options;
    const { east, west } = this.#both;
    const lies = noSync !== undefined;
    const victims = lies ? [east, west] : pick(random, [[east], [west], [east, west]]);
    const how = lies ? 'no-log-flush' : pick(random, SHUTDOWNS);
    const said = east.said.length;
    east.work();
    const afterMs = lies ? LIE_AFTER_MS : random.below(CUT_AFTER_MS_MAX);
    await sleep(systemClock, afterMs);
    if (!lies && random.below(4) > 0) {
      await east.hears('copying ', Math.max(said, east.said.length), COPY_BEGINS_MS_MAX);
      await sleep(systemClock, random.below(IN_COPY_MS_MAX));
    }
    const inCopy = isCopying(east.said.slice(said));
    const names = victims.map(({ name }) => name).join(' and ');
    const what = `${names} without power, ${how}${inCopy ? ', in a copy' : ''}`;
    if (inCopy && !lies) report.count('in a copy');
    try {
      await Promise.all(victims.map((victim) => victim.cut(how)));
      // The host is gone with east, or stops working: each life begins with new processes.
      for (const site of [east, west]) await site.kill();
      for (const victim of victims) await victim.remount();
      return { what, ...(await this.#check()) };
    } catch (error) {
      return { what, failure: error instanceof Error ? error.message : String(error) };
    }
  }

  async #check(): Promise<{ readonly failure?: string }> {
    const { random } = this.#options;
    const { east, west } = this.#both;
    await Promise.all([west, east].map((each) => each.start(random.below(SEEDS))));
    const lost = [
      ...(await east.ledger.check(east.client, new Map())).map((each) => `east: ${each}`),
      ...(await west.ledger.check(west.client, east.ledger.copies)).map((each) => `west: ${each}`),
    ];
    return lost.length === 0 ? {} : { failure: lost.join('; ') };
  }

  /** Nobody disturbs: all copies are made, and both sides are alike. */
  async #finale(): Promise<string | undefined> {
    const { east, west } = this.#both;
    const endMs = systemClock.monotonicMs() + COPIES_END_MS_MAX;
    let lines: readonly string[] = ['nothing was compared'];
    try {
      for (let round = 0; lines.length > 0; round += 1) {
        await this.#freeDrives();
        if (round % ROUNDS_A_RUN === 0) {
          if (round > 0) this.#options.report.count('further runs of Instant DR at the end');
          await this.#repeat(lines, endMs);
        }
        await sleep(systemClock, POLL_MS);
        const written = await this.#written();
        lines = await this.#due();
        if (lines.length === 0) lines = await differences(east.client, west.client, written);
        if (systemClock.monotonicMs() > endMs) {
          return `${lines.join('; ')}; east said at last:\n${lastLines(east.said)}`;
        }
      }
      return undefined;
    } catch (error) {
      return String(error);
    }
  }

  /**
   * The host's jobs died with east's process: what its requests have mounted again since is unloaded by
   * nobody but an operator, and a tape in a drive is not copied.
   */
  async #freeDrives(): Promise<void> {
    const { client } = this.#both.east;
    const { mounts } = (await client.call('mount.list', {})) as { readonly mounts: MountRow[] };
    for (const { tape } of mounts) await client.call('mount.end', { tape });
  }

  /** What a mount that the cut ended had written is owed to nobody: AutoCopy is asked for it. */
  async #repeat(lines: readonly string[], endMs: number): Promise<void> {
    const owed = VOLUMES.filter((name, index) => {
      return index % POOLS.length === 0 && lines.some((line) => line.startsWith(name));
    });
    const { client } = this.#both.east;
    for (const name of owed) await client.call('autocopy.repeat', { name });
    await this.#dispatch(endMs);
  }

  /** A run that the cut broke off goes on by itself, and comes first. */
  async #dispatch(endMs: number): Promise<void> {
    for (;;) {
      try {
        await this.#both.east.client.call('idr.dispatch', { name: SCHEME });
        return;
      } catch (error) {
        if (!isCapstanError(error, 'IN_USE') || systemClock.monotonicMs() > endMs) throw error;
        await sleep(systemClock, POLL_MS);
      }
    }
  }

  /** Tapes that have a content to copy. */
  async #written(): Promise<readonly string[]> {
    const tapes = (await this.#both.east.client.call('tape.list', {})) as readonly {
      readonly name: string;
      readonly generation: number;
    }[];
    return tapes.filter(({ generation }) => generation > 0).map(({ name }) => name);
  }

  /** The copies that AutoCopy owes, with why they are not there. */
  async #due(): Promise<readonly string[]> {
    const jobs = (await this.#both.east.client.call('autocopy.queue', {})) as readonly CopyJobRow[];
    return jobs
      .filter(({ state }) => state === 'due')
      .map(({ tape, attempts, lastError }) => {
        return `${tape}: a copy is due after ${attempts} attempts: ${lastError ?? 'none failed'}`;
      });
  }
}

function lastLines(said: string): string {
  return said.trim().split('\n').slice(-SAID_LINES).join('\n');
}

/** Whether the last copy that began has not ended. */
function isCopying(said: string): boolean {
  return said.lastIndexOf('copying ') > said.lastIndexOf('ack copy ');
}

function pick<Value>(
  random: SimulatedRandom,
  values: readonly [Value, ...Value[]] | readonly Value[],
): Value {
  const value = values[random.below(values.length)];
  if (value === undefined) throw new Error('there is something to pick from');
  return value;
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, LOOPBACK);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
