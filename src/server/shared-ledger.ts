/**
 * The ledger of a shared vault: its pools, tapes and locks, kept in the vault itself, so that any server
 * that opens the vault for writing has them as the last one left them.
 *
 * It is an image of the vault's store, of a name that no tape can have: a block is a list of records in
 * JSON, and what one transaction of the catalog changed is synced in one step. Whoever may write the store
 * may write the ledger, and nobody else: the store's lock is the only one that there is. An image that has
 * grown to REWRITE_FACTOR times what its records come to is written anew beside it, and takes its place.
 */
import { assert } from '../base/assert.ts';
import { concatBytes, decodeAscii, encodeAscii } from '../base/bytes.ts';
import { toAsciiJson } from '../base/encodings.ts';
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { KIB, MIB, generation, logicalObjectNumber } from '../base/units.ts';
import type { Engine, TapeImage } from '../ports/engine.ts';
import { RECORDS, VaultRows } from './shared-records.ts';
import type { VaultRecord } from './shared-records.ts';
import { makeImage } from './tape-content.ts';
import { LEDGER_IMAGE, LEDGER_STAGED } from './vaults.ts';
import type { packObjects } from '../tape/tape-object.ts';

/** Most text of a block. */
const BLOCK_CHARS_MAX = 64 * KIB;
const READ_BYTES_MAX = 4 * MIB;
const READ_COUNT_MAX = 256;
/** A ledger of more records than this, and so many for each that counts, is written anew. */
const REWRITE_RECORDS_MIN = 5_000;
const REWRITE_FACTOR = 4;

export class SharedLedger {
  /** What the vault is known by to all who share it. */
  readonly id: string;
  readonly name: string;
  /** As of the last sync. */
  readonly rows: VaultRows;
  readonly #engine: Engine;
  #image: TapeImage;
  #objectCount: number;
  #recordCount: number;

  private constructor(parts: {
    readonly id: string;
    readonly name: string;
    readonly rows: VaultRows;
    readonly engine: Engine;
    readonly image: TapeImage;
    readonly objectCount: number;
    readonly recordCount: number;
  }) {
    this.id = parts.id;
    this.name = parts.name;
    this.rows = parts.rows;
    this.#engine = parts.engine;
    this.#image = parts.image;
    this.#objectCount = parts.objectCount;
    this.#recordCount = parts.recordCount;
  }

  /** Makes the ledger of a vault that is shared from now on; `records` are its rows. */
  static async create(
    engine: Engine,
    vault: { readonly id: string; readonly name: string },
    records: readonly VaultRecord[],
  ): Promise<SharedLedger> {
    await writeWhole(engine, [{ is: 'vault', ...vault }, ...records]);
    return SharedLedger.open(engine);
  }

  /** Reads the ledger. NOT_FOUND where the vault is not shared, STORE_CORRUPT. */
  static async open(engine: Engine): Promise<SharedLedger> {
    const image = await engine.openImage(LEDGER_IMAGE, 'write');
    try {
      const { objectCount = 0 } = (await image.info()).partitions[0] ?? {};
      const records = await readRecords(image, objectCount);
      const [first] = records;
      if (first?.is !== 'vault') throw damaged('it does not begin with what the vault is');
      const rows = new VaultRows();
      rows.take(records);
      const recordCount = records.length;
      const { id, name } = first;
      return new SharedLedger({ id, name, rows, engine, image, objectCount, recordCount });
    } catch (error) {
      await image.close();
      throw error;
    }
  }

  /** Whether a store has a ledger. */
  static async isIn(engine: Engine): Promise<boolean> {
    return (await engine.listImages()).some(({ name }) => name === LEDGER_IMAGE);
  }

  /** Durable when it resolves; where it rejects, nothing was added. One call at a time. */
  async append(records: readonly VaultRecord[]): Promise<void> {
    if (records.length === 0) return;
    const blocks = blocksOf(records);
    const at = logicalObjectNumber(this.#objectCount);
    await this.#image.append({ partition: 0, at, ...blocks });
    await this.#image.sync({ generation: generation(at + blocks.lengths.length) });
    this.#objectCount += blocks.lengths.length;
    this.#recordCount += records.length;
    this.rows.take(records);
    await this.#shorten();
  }

  /** What the records no longer say goes, where it is much. */
  async #shorten(): Promise<void> {
    if (this.#recordCount < REWRITE_RECORDS_MIN) return;
    const records = this.rows.records();
    if (this.#recordCount < REWRITE_FACTOR * records.length) return;
    const { id, name } = this;
    await this.#image.close();
    try {
      await writeWhole(this.#engine, [{ is: 'vault', id, name }, ...records]);
    } catch (error) {
      // The old one stands, and is as good: a full disk is told of by what it keeps from being written.
      if (!isCapstanError(error)) throw error;
    }
    this.#image = await this.#engine.openImage(LEDGER_IMAGE, 'write');
    const { objectCount = 0 } = (await this.#image.info()).partitions[0] ?? {};
    this.#objectCount = objectCount;
    this.#recordCount = records.length + 1;
  }

  async close(): Promise<void> {
    await this.#image.close();
  }
}

async function writeWhole(engine: Engine, records: readonly VaultRecord[]): Promise<void> {
  const objects = blocksOf(records);
  await makeImage(engine, LEDGER_STAGED, { objects, generation: generation(1) });
  await engine.publishImage(LEDGER_STAGED, LEDGER_IMAGE);
}

async function readRecords(image: TapeImage, objectCount: number): Promise<VaultRecord[]> {
  const records: VaultRecord[] = [];
  for (let at = 0; at < objectCount;) {
    const { lengths, data } = await image.read({
      partition: 0,
      at: logicalObjectNumber(at),
      direction: 'forward',
      countMax: READ_COUNT_MAX,
      bytesMax: READ_BYTES_MAX,
    });
    if (lengths.length === 0) throw damaged(`block ${at} cannot be read`);
    let offset = 0;
    for (const length of lengths) {
      records.push(...parseBlock(data.subarray(offset, offset + length), at));
      offset += length;
      at += 1;
    }
  }
  return records;
}

function parseBlock(bytes: Uint8Array, at: number): readonly VaultRecord[] {
  let value: unknown;
  try {
    value = JSON.parse(decodeAscii(bytes));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  const parsed = RECORDS.safeParse(value);
  if (!parsed.success) throw damaged(`block ${at} is no list of records`);
  return parsed.data;
}

const damaged = (what: string): CapstanError =>
  new CapstanError('STORE_CORRUPT', { place: `images/${LEDGER_IMAGE}`, what });

/** Records by blocks, none longer than it has to be. */
function blocksOf(records: readonly VaultRecord[]): ReturnType<typeof packObjects> {
  const texts: string[][] = [[]];
  let chars = 0;
  for (const each of records) {
    const text = toAsciiJson(each);
    if (chars + text.length > BLOCK_CHARS_MAX && chars > 0) {
      texts.push([]);
      chars = 0;
    }
    texts.at(-1)?.push(text);
    chars += text.length;
  }
  const blocks = texts.map((each) => encodeAscii(`[${each.join(',')}]`));
  assert(blocks.length > 0, 'what is written has a block');
  return { lengths: Uint32Array.from(blocks, (block) => block.length), data: concatBytes(blocks) };
}
