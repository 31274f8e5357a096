/** Reads the benchmark's files in batches of whole records, ahead of who writes them. */
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { Stream } from './jobs.ts';

/** Bytes of one call to the engine, at most. */
export const BATCH_BYTES = 4 * 1024 * 1024;

export interface Batch {
  readonly data: Uint8Array;
  readonly lengths: Uint32Array;
}

function lengthsOf(bytes: number, recordBytes: number): Uint32Array {
  const lengths = new Uint32Array(Math.ceil(bytes / recordBytes)).fill(recordBytes);
  if (bytes % recordBytes > 0) lengths[lengths.length - 1] = bytes % recordBytes;
  return lengths;
}

/** The next bytes of a stream; the arrays may be used until the next call but one. */
export type Source = () => Promise<Uint8Array>;

async function readFully(file: FileHandle, into: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await file.read(into, done, into.length - done, position + done);
    if (bytesRead === 0) throw new Error('The file ended before the stream.');
    done += bytesRead;
  }
}

/** From the file, one batch ahead, into two buffers in turn. */
function fileSource(file: FileHandle, stream: Stream, batchBytes: number): Source {
  const buffers = [new Uint8Array(batchBytes), new Uint8Array(batchBytes)] as const;
  let at = stream.fromBytes;
  let turn = 0;
  const next = async (): Promise<Uint8Array> => {
    const buffer = buffers[turn % 2 === 0 ? 0 : 1];
    const part = buffer.subarray(0, Math.min(batchBytes, stream.toBytes - at));
    turn += 1;
    at += part.length;
    await readFully(file, part, at - part.length);
    return part;
  };
  let ahead = next();
  return async () => {
    const batch = await ahead;
    ahead = next();
    return batch;
  };
}

async function memorySource(file: FileHandle, stream: Stream, batchBytes: number): Promise<Source> {
  const all = new Uint8Array(stream.toBytes - stream.fromBytes);
  await readFully(file, all, stream.fromBytes);
  let at = 0;
  return () => {
    const batch = all.subarray(at, at + batchBytes);
    at += batch.length;
    return Promise.resolve(batch);
  };
}

export interface OpenStream {
  batches(): AsyncGenerator<Batch>;
  close(): Promise<void>;
}

/** Opens `stream`, to be cut into records of `recordBytes`, the last one shorter. */
export async function openStream(
  stream: Stream,
  recordBytes: number,
  from: 'file' | 'memory',
): Promise<OpenStream> {
  const file = await open(stream.file);
  const batchBytes = Math.floor(BATCH_BYTES / recordBytes) * recordBytes;
  const source =
    from === 'file'
      ? fileSource(file, stream, batchBytes)
      : await memorySource(file, stream, batchBytes);
  const fullLengths = lengthsOf(batchBytes, recordBytes);
  return {
    async *batches() {
      for (;;) {
        const data = await source();
        if (data.length === 0) return;
        const lengths =
          data.length === batchBytes ? fullLengths : lengthsOf(data.length, recordBytes);
        yield { data, lengths };
      }
    },
    close: () => file.close(),
  };
}
