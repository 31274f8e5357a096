/** A host of a data centre with its batch jobs: what they wrote, what became of them, and the tapes they have. */
import { MINUTE_MS } from '../../src/base/units.ts';
import type { HostSettings } from '../../src/server/context.ts';
import type { Listener } from '../../src/ports/network.ts';
import type { ScsiTransport } from '../../src/ports/scsi-transport.ts';
import { backupToVolumes, restoreFromVolumes } from '../hosts/backup-volumes.ts';
import type { TapeRequests } from '../hosts/backup-volumes.ts';
import type { MountOptions, MountedTape } from '../hosts/mount-request.ts';
import { NonStopHost } from '../hosts/nonstop-host.ts';
import { Life } from '../world/life.ts';
import { SimulatedRandom } from '../world/simulated-random.ts';
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
}

/** A backup, as its host knows it. */
export interface BackupRecord extends BackupPlan {
  readonly hostIndex: number;
  state: 'running' | 'done' | 'failed';
  usedVolumes: readonly string[];
  reason: string | undefined;
}

export interface BatchHostOptions {
  readonly centre: DataCentre;
  readonly index: number;
  readonly transports: readonly (() => ScsiTransport)[];
}

export class BatchHost {
  readonly host: NonStopHost;
  readonly node: string;
  readonly address: string;
  readonly deviceNames: readonly string[];
  readonly #centre: DataCentre;
  readonly #index: number;
  readonly #tapes = new Set<MountedTape>();
  #listener: Listener | undefined;

  constructor({ centre, index, transports }: BatchHostOptions) {
    this.#centre = centre;
    this.#index = index;
    this.node = NODES[index] ?? `\\NODE${index}`;
    this.address = `10.0.1.${index + 1}`;
    this.deviceNames = transports.map((_, device) => `$TAPE${device}`);
    this.host = new NonStopHost({
      node: this.node,
      clock: centre.world.clock,
      network: centre.world.network.port(this.address, new Life()),
      devices: new Map(
        transports.map((transport, device) => [
          `$TAPE${device}`,
          { execute: (command) => transport().execute(command) },
        ]),
      ),
      ...ACCOUNT,
    });
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
    const rest = { hostIndex: this.#index, usedVolumes: [], reason: undefined };
    const record: BackupRecord = { ...plan, ...rest, state: 'running' };
    this.#centre.backups.push(record);
    try {
      const { file, volumes } = plan;
      const job = { file, volumes, blocks: this.blocksOf(plan), timeoutMs: PATIENCE_MS };
      const totals = await backupToVolumes(this.#requests(record), this.#centre.world.clock, job);
      record.usedVolumes = totals.volumes;
      record.state = 'done';
    } catch (error) {
      record.reason = error instanceof Error ? error.message : String(error);
      record.state = 'failed';
    }
    const { state, file, reason = '' } = record;
    this.#centre.world.trace.record(`${this.node}: ${file} ${state} ${reason}`);
    return record;
  }

  /** Reads a backup. Rejects HostError, and as `onBlock` does. */
  async restore(record: BackupRecord, onBlock: (block: Uint8Array) => void): Promise<void> {
    const { file, usedVolumes: volumes } = record;
    const job = { file, volumes, timeoutMs: PATIENCE_MS, onBlock };
    await restoreFromVolumes(this.#requests(undefined), job);
  }

  /** `$ZSVR`, with whatever is done to a tape told to the tape's model. */
  #requests(writer: BackupRecord | undefined): TapeRequests {
    return {
      request: async (options: MountOptions) => {
        const mounted = await this.host.zsvr.request(options);
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
