/**
 * Lists and extracts the tapes of a store without the engine, by docs/formats/store.md alone: the proof that
 * the page is enough, and a way to one's data that needs nothing but Node.js.
 */
import { closeSync, existsSync, openSync, readFileSync, readdirSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { StoreError, Taker } from './read-store/bytes.mjs';
import { joinBlock, parseImage } from './read-store/image.mjs';
import { openSuperblock, Packs } from './read-store/packs.mjs';

const HELP = `Usage: node scripts/read-store.mjs STORE list [options]
       node scripts/read-store.mjs STORE extract NAME [options]

Lists the tapes of a store (the folder of a vault), or writes one as a file, without the engine.

Options:
  --out FILE       the file to write; it must not exist (default: NAME.tap or NAME.raw)
  --raw            the blocks only, one behind the other; default: SIMH .tap with record lengths
  --partition N    of a tape with more than one (default: 0)
  --key-file FILE  the key of an encrypted store, 32 bytes
  --verify         compares the digest of every chunk read; with list, reads all that tapes refer to
  --help

Exit status: 0 done; 1 something is damaged or cannot be read; 2 wrong usage.

Examples:
  node scripts/read-store.mjs /var/lib/capstan/VAULT00 list --verify
  node scripts/read-store.mjs /var/lib/capstan/VAULT00 extract LAB001 --out lab001.tap
`;
const KEY_BYTES = 32;
const IMAGE_NAME = /^[A-Z0-9][A-Z0-9._-]{0,63}$/;
const OUTPUT_BYTES = 2 ** 20;

/** @typedef {import('./read-store/image.mjs').Partition} Partition */

class UsageError extends Error {}

/** Takes bytes from the front of a stream. */
class Stream {
  /**
   * @param {Packs} packs
   * @param {readonly import('./read-store/image.mjs').SliceRun[]} slices
   */
  constructor(packs, slices) {
    this.bytes = Stream.read(packs, slices);
    /** @type {Buffer} */
    this.rest = Buffer.alloc(0);
  }

  /**
   * @param {Packs} packs
   * @param {readonly import('./read-store/image.mjs').SliceRun[]} slices
   * @returns {Generator<Buffer>}
   */
  static *read(packs, slices) {
    for (const { reference, used, count } of slices)
      for (let i = 0; i < count; i += 1) {
        const chunk = packs.chunk(reference);
        if (chunk.length < used) throw new StoreError('packs', 'a slice is longer than its chunk');
        yield chunk.subarray(0, used);
      }
  }

  /** @param {number} count */
  take(count) {
    const parts = [];
    let missing = count;
    while (missing > this.rest.length) {
      parts.push(this.rest);
      missing -= this.rest.length;
      const next = this.bytes.next();
      if (next.done === true) throw new StoreError('packs', 'objects are longer than their chunks');
      this.rest = next.value;
    }
    parts.push(this.rest.subarray(0, missing));
    this.rest = this.rest.subarray(missing);
    return parts.length === 1 ? (parts[0] ?? this.rest) : Buffer.concat(parts, count);
  }
}

/**
 * The objects of a partition in order; a filemark is an empty buffer.
 * @param {Packs} packs
 * @param {Partition} partition
 * @returns {Generator<Buffer>}
 */
function* objectsOf(packs, partition) {
  const payload = new Stream(packs, partition.payload);
  const framing = new Stream(packs, partition.framing);
  for (const run of partition.objects)
    for (let i = 0; i < run.count; i += 1)
      yield run.framing === 0
        ? payload.take(run.length)
        : joinBlock(
            new Taker(framing.take(run.framing), 'framing'),
            payload.take(run.payload),
            run.length,
          );
}

/**
 * @param {number} file
 * @param {Iterable<Buffer>} objects
 * @param {{ readonly raw: boolean }} options
 * @returns {{ readonly objectCount: number, readonly byteCount: number, readonly error?: unknown }}
 */
function writeObjects(file, objects, { raw }) {
  /** @type {Buffer[]} */
  let waiting = [];
  let waitingBytes = 0;
  let objectCount = 0;
  let byteCount = 0;
  const flush = () => {
    const bytes = Buffer.concat(waiting);
    for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done);
    waiting = [];
    waitingBytes = 0;
  };
  try {
    for (const object of objects) {
      waiting.push(...(raw ? [object] : tapRecord(object)));
      waitingBytes += object.length + 8;
      objectCount += 1;
      byteCount += object.length;
      if (waitingBytes >= OUTPUT_BYTES) flush();
    }
  } catch (error) {
    flush();
    return { objectCount, byteCount, error };
  }
  flush();
  return { objectCount, byteCount };
}

/**
 * A block between two copies of its length, filled up to an even one; a filemark is a length of 0.
 * @param {Buffer} object
 */
function tapRecord(object) {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(object.length);
  if (object.length === 0) return [length];
  return [length, object, Buffer.alloc(object.length % 2), length];
}

/**
 * @typedef {object} Store
 * @property {string} folder
 * @property {Buffer} storeId
 * @property {Buffer | undefined} key
 * @property {Packs} packs
 */

/**
 * @param {Store} store
 * @param {string} name
 */
const loadImage = (store, name) =>
  parseImage(name, readFileSync(join(store.folder, 'images', name)), store);

/**
 * One line a partition; of a tape that cannot be read, why.
 * @param {Store} store
 * @returns {Set<number>} the regions that the tapes refer to
 */
function list(store) {
  /** @type {Set<number>} */
  const regions = new Set();
  const names = readdirSync(join(store.folder, 'images')).filter((name) => IMAGE_NAME.test(name));
  console.log('TAPE\tPARTITION\tGENERATION\tBLOCKS\tFILEMARKS\tBYTES\tSTATE');
  for (const name of names.sort()) {
    try {
      const { generation, state, partitions } = loadImage(store, name);
      partitions.forEach(({ objects, payload, framing, sums }, partition) => {
        let filemarks = 0;
        let bytes = 0;
        for (const { length, count } of objects) {
          if (length === 0) filemarks += count;
          bytes += length * count;
        }
        const blocks = sums.objects - filemarks;
        const columns = [name, partition, generation, blocks, filemarks, bytes, state];
        console.log(columns.join('\t'));
        for (const slices of [payload, framing])
          for (const { reference } of slices) regions.add(Math.floor(reference / 256));
      });
    } catch (error) {
      report(error);
    }
  }
  return regions;
}

/**
 * @param {Packs} packs
 * @param {Iterable<number>} regions
 */
function verifyRegions(packs, regions) {
  let chunkCount = 0;
  for (const region of regions) {
    try {
      chunkCount += packs.content(region).ends.length;
    } catch (error) {
      report(error);
    }
  }
  console.error(`read-store: ${chunkCount} chunks are whole.`);
}

/**
 * @param {Store} store
 * @param {string} name
 * @param {{ readonly raw: boolean, readonly partition: string, readonly out: string }} options
 */
function extract(store, name, { raw, partition, out }) {
  if (!IMAGE_NAME.test(name) || !existsSync(join(store.folder, 'images', name)))
    throw new StoreError(store.folder, `there is no tape ${name}`);
  const { partitions } = loadImage(store, name);
  const chosen = /^\d$/.test(partition) ? partitions[Number(partition)] : undefined;
  if (chosen === undefined) throw new UsageError(`${name} has no partition ${partition}`);
  if (existsSync(out)) throw new UsageError(`${out} exists already`);
  const file = openSync(out, 'wx');
  const written = writeObjects(file, objectsOf(store.packs, chosen), { raw });
  closeSync(file);
  console.log(`${out}: ${written.objectCount} objects, ${written.byteCount} bytes in blocks`);
  if (written.error !== undefined) {
    report(written.error);
    console.error(`read-store: ${out} ends before object ${written.objectCount}.`);
  }
}

/** @param {unknown} error */
function report(error) {
  const { message, code } = /** @type {NodeJS.ErrnoException} */ (error);
  const usage =
    error instanceof UsageError || String(code).startsWith('ERR_PARSE_ARGS') ? ' (see --help)' : '';
  const sentence = message.split('. ', 1)[0]?.replace(/\.$/, '') ?? '';
  console.error(`read-store: ${sentence}${usage}.`);
  process.exitCode = usage === '' ? 1 : 2;
}

/** @param {string} path */
function readKey(path) {
  const key = readFileSync(path);
  if (key.length !== KEY_BYTES)
    throw new UsageError(`${path} has ${key.length} bytes and not ${KEY_BYTES}`);
  return key;
}

function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      out: { type: 'string' },
      raw: { type: 'boolean', default: false },
      partition: { type: 'string', default: '0' },
      'key-file': { type: 'string' },
      verify: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const [folder, command, name, superfluous] = positionals;
  if (folder === undefined || command === undefined)
    throw new UsageError('say STORE and list or extract');
  const { verify, raw, partition, out = `${name}.${raw ? 'raw' : 'tap'}` } = values;
  const listing = command === 'list' && name === undefined;
  if (!listing && (command !== 'extract' || name === undefined || superfluous !== undefined))
    throw new UsageError(`${positionals.slice(1).join(' ')} is no command`);
  const given = values['key-file'] === undefined ? undefined : readKey(values['key-file']);
  const { storeId, key } = openSuperblock(folder, given);
  const packs = new Packs(folder, key, { storeId, verify });
  const store = { folder, storeId, key, packs };
  if (name !== undefined) {
    extract(store, name, { raw, partition, out });
  } else {
    const regions = list(store);
    if (verify) verifyRegions(packs, regions);
  }
  packs.close();
}

try {
  main();
} catch (error) {
  report(error);
}
