/** A host of a data centre with its batch jobs: what they wrote, what became of them, and the tapes they have. */
import { MINUTE_MS } from '../../src/base/units.ts';
import type { HostSettings } from '../../src/server/context.ts';
import type { Listener } from '../../src/ports/network.ts';
import type { ScsiTransport } from '../../src/ports/scsi-transport.ts';
import { backupToVolumes, restoreFromVolumes } from '../hosts/backup-volumes.ts';
import type { TapeRequests } from '../hosts/backup-volumes.ts';
import type { EmsCollector } from '../hosts/ems-collector.ts';
import type { MountOptions, MountedTape } from '../hosts/mount-request.ts';
import { NonStopHost } from '../hosts/nonstop-host.ts';
import { HostError } from '../hosts/host-error.ts';
import { Life } from '../world/life.ts';
import { decorate } from '../../src/base/decorate.ts';
import { SimulatedRandom } from '../world/simulated-random.ts';
import { StoppingNetwork } from '../world/stopping-network.ts';
import type { DataCentre } from './data-centre.ts';
import { recordingTape } from './recording-tape.ts';

export const TACL_PORT = 23;
const ACCOUNT = { user: 'SUPER.TAPE', password: 'secret' };
const NODES = ['\\LAB', '\\SYD', '\\OSLO', '\\LIMA'] as const;
/** How long a job waits for each of its tapes. */
const PATIENCE_MS = 120 * MINUTE_MS;

/** What a backup is to write. */
export interface BackupPlan {
  readonly file: string;
  readonly volumes: readonly string[];
  readonly blockCount: number;
  readonly blockBytes: number;
  readonly seed: number;
  /** The processor that it runs in; default 0. */
  readonly cpu?: number;
  /** How long it waits for each of its tapes; default {@link PATIENCE_MS}. */
  readonly patienceMs?: number;
}

/** A backup, as its host knows it. */
export interface BackupRecord extends BackupPlan {
  readonly hostIndex: number;
  state: 'running' | 'done' | 'failed';
  usedVolumes: readonly string[];
  reason: string | undefined;
  /** Its processor failed. */
  killed: boolean;
}

export interface BatchHostOptions {
  readonly centre: DataCentre;
  readonly index: number;
  readonly transports: readonly (() => ScsiTransport)[];
}

export class BatchHost {
  readonly node: string;
  readonly address: string;
  readonly deviceNames: readonly string[];
  readonly #centre: DataCentre;
  readonly #index: number;
  readonly #transports: readonly (() => ScsiTransport)[];
  readonly #tapes = new Set<MountedTape>();
  /** From one load of the host to its end. */
  #life = new Life();
  /** Of its processors, as far as jobs ran in them. */
  readonly #processors = new Map<number, Life>();
  #network: StoppingNetwork;
  #host: NonStopHost;
  #listener: Listener | undefined;

  constructor({ centre, index, transports }: BatchHostOptions) {
    this.#centre = centre;
    this.#index = index;
    this.node = NODES[index] ?? `\\NODE${index}`;
    this.address = `10.0.1.${index + 1}`;
    this.deviceNames = transports.map((_, device) => `$TAPE${device}`);
    this.#transports = transports;
    this.#network = this.#newNetwork();
    this.#host = this.#load();
  }

  /** As it was loaded last. */
  get host(): NonStopHost {
    return this.#host;
  }

  #newNetwork(): StoppingNetwork {
    return new StoppingNetwork(this.#centre.world.network.port(this.address, this.#life));
  }

  #load(collector?: EmsCollector): NonStopHost {
    const life = this.#life;
    return new NonStopHost({
      node: this.node,
      clock: life.clock(this.#centre.world.clock),
      network: this.#network,
      devices: new Map(
        this.#transports.map((transport, device) => [
          `$TAPE${device}`,
          { execute: (command) => life.call(() => transport().execute(command)) },
        ]),
      ),
      ...(collector !== undefined && { collector }),
      ...ACCOUNT,
    });
  }

  /** All that runs in it ends, nobody is told; the tapes stay in its drives. */
  stop(): void {
    this.#centre.world.trace.record(`${this.node}: stop`);
    for (const processor of this.#processors.values()) processor.end();
    this.#processors.clear();
    this.abandonTapes();
    this.#life.end();
  }

  /** It is loaded anew: what it had logged is still there, and its requests' numbers begin anew. */
  async start(): Promise<void> {
    this.#centre.world.trace.record(`${this.node}: start`);
    this.#life = new Life();
    this.#network = this.#newNetwork();
    this.#host = this.#load(this.#host.collector);
    await this.listen();
  }

  /** A processor fails, and with it what ran there; `$ZSVR` cancels its requests. */
  failCpu(cpu: number): void {
    this.#centre.world.trace.record(`${this.node}: processor ${cpu} fails`);
    this.#host.zsvr.failCpu(cpu);
    this.#processors.get(cpu)?.end();
    this.#processors.delete(cpu);
  }

  /** Whoever it talks to hears so many bytes more, and then nothing; see {@link StoppingNetwork}. */
  stopTalkingAfter(bytes: number | undefined): void {
    if (bytes === undefined) this.#network.cancelStop();
    else this.#network.stopAfter(bytes);
  }

  #processor(cpu: number): Life {
    const life = this.#processors.get(cpu) ?? new Life();
    this.#processors.set(cpu, life);
    return life;
  }

  get settings(): HostSettings {
    const endpoint = { address: this.address, port: TACL_PORT };
    return { host: this.node, endpoint, ...ACCOUNT };
  }

  async listen(): Promise<void> {
    this.#listener = await this.host.listen({ address: this.address, port: TACL_PORT });
  }

  /** Nobody gets to its TACL any more; who has a session keeps it. */
  async close(): Promise<void> {
    await this.#listener?.close();
  }

  /** The server is gone, and the tapes in its drives with it. */
  abandonTapes(): void {
    for (const tape of this.#tapes) tape.abandon();
    this.#tapes.clear();
  }

  /** The same for the same plan. */
  blocksOf({ blockCount, blockBytes, seed }: BackupPlan): readonly Uint8Array[] {
    const random = new SimulatedRandom(seed);
    return Array.from({ length: blockCount }, () => random.bytes(blockBytes));
  }

  /** Writes a backup; its record says what became of it. Never rejects for what a host is told. */
  async backup(plan: BackupPlan): Promise<BackupRecord> {
    const rest = { hostIndex: this.#index, usedVolumes: [], reason: undefined, killed: false };
    const record: BackupRecord = { ...plan, ...rest, state: 'running' };
    this.#centre.backups.push(record);
    const { file, volumes, cpu = 0, patienceMs: timeoutMs = PATIENCE_MS } = plan;
    const life = this.#processor(cpu);
    try {
      const job = { file, volumes, cpu, blocks: this.blocksOf(plan), timeoutMs };
      const requests = this.#requests(record, life);
      const writing = backupToVolumes(requests, this.#centre.world.clock, job);
      const totals = await unlessEnded(life, writing);
      record.usedVolumes = totals.volumes;
      record.state = 'done';
    } catch (error) {
      record.reason = error instanceof Error ? error.message : String(error);
      record.killed = life.ended;
      record.state = 'failed';
    }
    const { state, reason = '' } = record;
    this.#centre.world.trace.record(`${this.node}: ${file} ${state} ${reason}`);
    return record;
  }

  /** Reads a backup. Rejects HostError, and as `onBlock` does. */
  async restore(record: BackupRecord, onBlock: (block: Uint8Array) => void): Promise<void> {
    const { file, usedVolumes: volumes } = record;
    const job = { file, volumes, timeoutMs: PATIENCE_MS, onBlock };
    await restoreFromVolumes(this.#requests(undefined, this.#processor(0)), job);
  }

  /** `$ZSVR`, with whatever is done to a tape told to the tape's model. */
  #requests(writer: BackupRecord | undefined, life: Life): TapeRequests {
    return {
      request: async (options: MountOptions) => {
        const given = await life.call(() => this.host.zsvr.request(options));
        const mounted = {
          ...given,
          operations: decorate(given.operations, (_, call) => life.call(call)),
          unload: () => life.call(() => given.unload()),
        };
        const tape = this.#centre.tape(mounted.volume);
        if (options.ring) tape.writer = writer;
        tape.model.moveTo('beginning');
        const recorded = recordingTape(mounted, tape.model);
        this.#tapes.add(mounted);
        const forget = (): void => {
          this.#tapes.delete(mounted);
        };
        return {
          ...recorded,
          unload: () => recorded.unload().finally(forget),
          abandon: () => {
            forget();
            mounted.abandon();
          },
        };
      },
    };
  }
}

/** What `work` gives; rejects where the processor that it runs in fails first. */
async function unlessEnded<Value>(life: Life, work: Promise<Value>): Promise<Value> {
  let cancel = (): void => {};
  const ended = new Promise<never>((_, reject) => {
    cancel = life.onEnd(() => reject(new HostError('CPU_FAILED', 'its processor has failed')));
  });
  return Promise.race([work, ended]).finally(cancel);
}
