/**
 * A host without a word to say to the server: it waits for a tape in its drive, writes and reads archives
 * through SCSI alone, and unloads. An operator, or VTSPolicy, mounts for it.
 *
 *   archive  TM  archive  TM  ...  (tar's way: data, one tape mark behind each)
 */
import { isCapstanError } from '../../src/base/errors.ts';
import { describeTrouble } from '../../src/initiator/outcome.ts';
import { TapeOperations } from '../../src/initiator/tape-operations.ts';
import { sleep } from '../../src/ports/clock.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { ScsiTransport } from '../../src/ports/scsi-transport.ts';
import { BLOCK_BYTES_MAX } from '../../src/tape/image-call.ts';
import { written } from './backup-jobs.ts';
import { HostError } from './host-error.ts';

const TRANSFER_BYTES_MAX = BLOCK_BYTES_MAX - 1;
const POLL_INTERVAL_MS = 1000;

export class OpenSystemsHost {
  readonly operations: TapeOperations;
  readonly #clock: Clock;

  constructor(clock: Clock, transport: ScsiTransport) {
    this.#clock = clock;
    this.operations = new TapeOperations(transport);
  }

  /** Resolves once a tape is ready. Rejects {@link HostError} after the time-out. */
  async awaitTape(timeoutMs: number): Promise<void> {
    for (let waitedMs = 0; waitedMs < timeoutMs; waitedMs += POLL_INTERVAL_MS) {
      try {
        if ((await this.operations.awaitReady()).kind === 'done') return;
      } catch (error) {
        // The drive may come back.
        if (!isCapstanError(error)) throw error;
      }
      await sleep(this.#clock, POLL_INTERVAL_MS);
    }
    throw new HostError('MOUNT_CANCELLED', 'no tape came into the drive in time');
  }

  /** Writes an archive behind those on the tape; durable when this resolves. */
  async append(blocks: Iterable<Uint8Array>): Promise<void> {
    await this.#expect('spacing to the end', this.operations.spaceToEndOfData());
    await this.#write(blocks);
  }

  /** Writes an archive as the tape's first and only one; durable when this resolves. */
  async write(blocks: Iterable<Uint8Array>): Promise<void> {
    await this.#expect('rewinding', this.operations.rewind());
    await this.#write(blocks);
  }

  async #write(blocks: Iterable<Uint8Array>): Promise<void> {
    for (const block of blocks) written('a block', await this.operations.writeBlock(block));
    written('a tape mark', await this.operations.writeFilemarks(1));
  }

  /** All archives of the tape, each as its blocks. */
  async readAll(): Promise<readonly (readonly Uint8Array[])[]> {
    await this.#expect('rewinding', this.operations.rewind());
    const archives: Uint8Array[][] = [];
    let blocks: Uint8Array[] = [];
    for (;;) {
      const outcome = await this.operations.readBlock(TRANSFER_BYTES_MAX);
      if (outcome.kind === 'block') {
        blocks.push(outcome.data);
      } else if (outcome.kind === 'filemark') {
        archives.push(blocks);
        blocks = [];
      } else if (outcome.kind === 'end-of-data') {
        return blocks.length === 0 ? archives : [...archives, blocks];
      } else {
        throw new HostError('TAPE_TROUBLE', `reading: ${describeTrouble(outcome)}`);
      }
    }
  }

  unload(): Promise<void> {
    return this.#expect('unloading', this.operations.unload());
  }

  async #expect(what: string, work: ReturnType<TapeOperations['rewind']>): Promise<void> {
    const outcome = await work;
    if (outcome.kind === 'done') return;
    throw new HostError('TAPE_TROUBLE', `${what}: ${describeTrouble(outcome)}`);
  }
}
