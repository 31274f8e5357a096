/**
 * kill -9 of either server in the middle of a copy, again and again: the copy must complete, and both
 * vaults must verify clean.
 *
 * East's home is prepared once, with a tape whose copy is due, and put back before each round, so that
 * every round copies the whole tape to an empty west. The moment of the kill is drawn, by seed, from
 * the time that an undisturbed copy takes.
 */
import { cp, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assert } from '../../src/base/assert.ts';
import { KIB, MIB } from '../../src/base/units.ts';
import type { ApiClient } from '../../src/api/client.ts';
import { localClient } from '../../src/cli/call.ts';
import { createHome, FIRST_VAULT } from '../../src/cli/create-home.ts';
import { homePaths } from '../../src/cli/home.ts';
import { openCatalog } from '../../src/catalog/sqlite-catalog.ts';
import { startServer } from '../../src/cli/serve.ts';
import { systemClock } from '../../src/platform/system-clock.ts';
import { sleep } from '../../src/ports/clock.ts';
import type { CopyJobRow, EventRow, GenerationRow } from '../../src/ports/catalog.ts';
import { backup } from '../hosts/backup-jobs.ts';
import { SimulatedRandom } from '../world/simulated-random.ts';
import { freePort } from './free-port.ts';
import { DRIVE, LabSite } from './lab-sites.ts';
import { ServeProcess, runCapstan } from './serve-process.ts';

const VOLUME = 'KILL01';
const POOL = 'BACKUP';
const RECORD_BYTES = 256 * KIB;
const DEFAULT_TAPE_BYTES = 96 * MIB;
const MOUNT_TIMEOUT_MS = 30_000;
/** How long a copy may take, with its retries: less than the silence after which a peer is given up. */
const COPY_TIMEOUT_MS = 40_000;
/** Undisturbed copies that are timed; the quickest counts. */
const CALM_ROUNDS = 2;
const POLL_INTERVAL_MS = 25;
const EVENT_COUNT_MAX = 1000;
/** Kills are drawn from a little more than the time of a copy: its end is a moment, too. */
const KILL_WINDOW = 1.1;

export interface KillCampaignOptions {
  /** An empty folder; it must have room for three times the tape. */
  readonly folder: string;
  readonly runs: number;
  readonly seed: number;
  readonly tapeBytes?: number;
  readonly onRound?: (round: KillRound) => void;
}

export interface KillRound {
  readonly round: number;
  readonly victim: 'east' | 'west' | 'both';
  /** After both servers served. */
  readonly killedAfterMs: number;
  /** Whether the copy was still due when the victim had been killed. */
  readonly wasInCopy: boolean;
  readonly copiedAfterMs: number;
  /** East's words for the attempts that failed in between. */
  readonly attemptFailures: readonly string[];
  /** Why the round failed; undefined where all held. */
  readonly failure: string | undefined;
}

export interface KillCampaignResult {
  /** Time of an undisturbed copy, from the servers' start. */
  readonly copyMs: number;
  readonly rounds: readonly KillRound[];
  readonly failureCount: number;
  readonly inCopyCount: number;
}

/** Runs the campaign; failures of rounds are in the result. */
export async function runKillCampaign(options: KillCampaignOptions): Promise<KillCampaignResult> {
  const campaign = new KillCampaign(options);
  await campaign.prepare();
  const random = new SimulatedRandom(options.seed);
  let copyMs = Number.POSITIVE_INFINITY;
  for (let calm = 0; calm < CALM_ROUNDS; calm += 1) {
    const { copiedAfterMs, failure } = await campaign.round(0, undefined);
    if (failure !== undefined) throw new Error(`The copy fails without any kill: ${failure}`);
    copyMs = Math.min(copyMs, copiedAfterMs);
  }
  const rounds: KillRound[] = [];
  for (let round = 1; round <= options.runs; round += 1) {
    const victim = (['east', 'west', 'both'] as const)[random.below(3)] ?? 'both';
    const afterMs = random.below(Math.max(1, Math.ceil(copyMs * KILL_WINDOW)));
    const result = await campaign.round(round, { victim, afterMs });
    rounds.push(result);
    options.onRound?.(result);
  }
  return {
    copyMs,
    rounds,
    failureCount: rounds.filter(({ failure }) => failure !== undefined).length,
    inCopyCount: rounds.filter(({ wasInCopy }) => wasInCopy).length,
  };
}

type CallParameters = Parameters<ApiClient['call']>[1];

class KillCampaign {
  readonly #options: KillCampaignOptions;
  /** Where the servers run; the catalogs know the path, so it is always the same. */
  readonly #work: string;
  readonly #pristine: string;
  readonly #processes = new Map<'east' | 'west', ServeProcess>();

  constructor(options: KillCampaignOptions) {
    this.#options = options;
    this.#work = join(options.folder, 'work');
    this.#pristine = join(options.folder, 'pristine');
  }

  #home(name: 'east' | 'west'): string {
    return join(this.#work, name);
  }

  /** Makes both homes, writes east's tape and leaves its copy due: west does not run yet. */
  async prepare(): Promise<void> {
    await mkdir(this.#work, { recursive: true });
    const port = await freePort();
    const west = await createHome({
      home: this.#home('west'),
      name: 'west',
      listen: { address: '127.0.0.1', port },
    });
    await this.#createPool();
    const east = await LabSite.prepare('east', String.raw`\LAB`, this.#work);
    await writeFile(
      homePaths(this.#home('west')).authorizedKeys,
      `${east.created?.publicKey ?? ''}\n`,
      { mode: 0o600 },
    );
    await east.start(POOL);
    await east.call('autocopy.create', {
      pool: POOL,
      targetPool: POOL,
      target: {
        server: 'west',
        address: '127.0.0.1',
        port,
        user: 'capstan',
        hostKey: west.hostKeyFingerprint,
        transport: 'ssh2',
      },
    });
    await east.call('tape.create', { name: VOLUME, pool: POOL });
    await this.#writeTape(east);
    await east.call('drive.delete', { name: DRIVE });
    await east.stop();
    await this.#withoutHost();
    await rename(this.#work, this.#pristine);
  }

  async #createPool(): Promise<void> {
    const server = await startServer({ home: this.#home('west') });
    await server.server.operations.call('pool.create', { name: POOL, vault: FIRST_VAULT });
    await server.stop();
  }

  async #writeTape(east: LabSite): Promise<void> {
    const tape = await east.host.requestMount({
      volume: VOLUME,
      ring: true,
      timeoutMs: MOUNT_TIMEOUT_MS,
    });
    const random = new SimulatedRandom(this.#options.seed);
    const count = Math.ceil((this.#options.tapeBytes ?? DEFAULT_TAPE_BYTES) / RECORD_BYTES);
    await backup(tape, {
      file: 'KILL.FILE',
      blocks: randomBlocks(random, count),
      atMs: systemClock.nowMs(),
    });
    const mark = east.eventCount;
    await tape.unload();
    await east.nextEvent('copy-attempt-failed', mark, MOUNT_TIMEOUT_MS);
  }

  /** The host ends with the preparation: the servers of the rounds have none. */
  async #withoutHost(): Promise<void> {
    const path = homePaths(this.#home('east')).configuration;
    const configuration = {
      name: 'east',
      ems: [],
      autocopy: { retryIntervalSeconds: 1, attemptsMax: 100 },
    };
    await writeFile(path, `${JSON.stringify(configuration)}\n`);
  }

  async round(
    round: number,
    kill: { readonly victim: KillRound['victim']; readonly afterMs: number } | undefined,
  ): Promise<KillRound> {
    await rm(this.#work, { recursive: true, force: true });
    await cp(this.#pristine, this.#work, { recursive: true });
    let wasInCopy = false;
    let failure: string | undefined;
    let beganMs = systemClock.monotonicMs();
    try {
      await this.#start('west');
      await this.#start('east');
      beganMs = systemClock.monotonicMs();
      if (kill !== undefined) {
        await sleep(systemClock, kill.afterMs);
        const victims = kill.victim === 'both' ? (['east', 'west'] as const) : [kill.victim];
        await Promise.all(victims.map((name) => this.#end(name, 'SIGKILL')));
        wasInCopy = (await this.#recordedJob())?.state !== 'copied';
        for (const name of victims.toReversed()) await this.#start(name);
      }
      await this.#awaitCopied();
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
    const copiedAfterMs = systemClock.monotonicMs() - beganMs;
    failure ??= await this.#compare();
    const attemptFailures = await this.#attemptFailures();
    for (const name of this.#processes.keys()) await this.#end(name, 'SIGTERM');
    failure ??= await this.#verifyBoth();
    return {
      round,
      victim: kill?.victim ?? 'both',
      killedAfterMs: kill?.afterMs ?? 0,
      wasInCopy,
      copiedAfterMs,
      attemptFailures,
      failure,
    };
  }

  async #attemptFailures(): Promise<readonly string[]> {
    if (!this.#processes.has('east')) return [];
    const limit = EVENT_COUNT_MAX;
    const rows = (await this.#call('east', 'events.list', { limit })) as readonly EventRow[];
    // The first is of the preparation, when west did not run yet.
    return rows
      .map(({ text }) => text)
      .filter((text) => text.includes('at attempt'))
      .slice(1);
  }

  async #start(name: 'east' | 'west'): Promise<void> {
    this.#processes.set(name, await ServeProcess.start(this.#home(name)));
  }

  async #end(name: 'east' | 'west', signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const serving = this.#processes.get(name);
    assert(serving !== undefined, `${name} runs`);
    this.#processes.delete(name);
    await serving.end(signal);
  }

  async #call(
    name: 'east' | 'west',
    operation: string,
    parameters: CallParameters,
  ): Promise<unknown> {
    const client = localClient(homePaths(this.#home(name)).controlSocket);
    return client.call(operation, parameters);
  }

  async #job(): Promise<CopyJobRow | undefined> {
    const jobs = (await this.#call('east', 'autocopy.queue', {})) as readonly CopyJobRow[];
    return jobs.find(({ tape }) => tape === VOLUME);
  }

  /** The job as east's catalog has it, whether east runs or not. */
  async #recordedJob(): Promise<CopyJobRow | undefined> {
    if (this.#processes.has('east')) return this.#job();
    const catalog = openCatalog(homePaths(this.#home('east')).catalog);
    try {
      return (await catalog.listCopyJobs()).find(({ tape }) => tape === VOLUME);
    } finally {
      await catalog.close();
    }
  }

  async #awaitCopied(): Promise<void> {
    const endMs = systemClock.monotonicMs() + COPY_TIMEOUT_MS;
    let job = await this.#job();
    while (job?.state !== 'copied') {
      if (systemClock.monotonicMs() > endMs) {
        throw new Error(`the copy did not complete: ${JSON.stringify(job)}`);
      }
      await sleep(systemClock, POLL_INTERVAL_MS);
      job = await this.#job();
    }
  }

  /** The same generation with the same manifest on both sides: the same bytes, once both verify. */
  async #compare(): Promise<string | undefined> {
    const [east, west] = await Promise.all([this.#content('east'), this.#content('west')]);
    if (east !== undefined && east === west) return undefined;
    return `east has ${east}, west has ${west}`;
  }

  async #content(name: 'east' | 'west'): Promise<string | undefined> {
    const tape = (await this.#call(name, 'tape.show', { name: VOLUME })) as {
      readonly generation: number;
      readonly generations: readonly GenerationRow[];
    };
    const row = tape.generations.find(({ generation }) => generation === tape.generation);
    return row && `generation ${row.generation}, manifest ${row.manifestDigest}`;
  }

  async #verifyBoth(): Promise<string | undefined> {
    for (const name of ['east', 'west'] as const) {
      const { code, output } = await runCapstan(['tape', 'verify', '--home', this.#home(name)]);
      if (code !== 0) return `capstan tape verify at ${name} ended with ${code}: ${output}`;
    }
    return undefined;
  }
}

function* randomBlocks(random: SimulatedRandom, count: number): Generator<Uint8Array> {
  for (let index = 0; index < count; index += 1) yield random.bytes(RECORD_BYTES);
}

/** A port that was free a moment ago. */
