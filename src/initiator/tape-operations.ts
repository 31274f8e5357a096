/**
 * Tape operations over any ScsiTransport: what drives an emulated drive drives a real one.
 *
 * Every operation is one command (but `awaitReady`) and resolves with a value, whatever the device
 * says; it rejects only where the device is gone. After an operation that ended with `filemark`,
 * `early-warning` or a residual the position is as SSC has it, which each operation names. A
 * `sense` with `deferred` set is about earlier writes: the operation itself was not performed.
 */
import type { ScsiCommand, ScsiResult, ScsiTransport } from '../ports/scsi-transport.ts';
import { decodeAscii } from '../base/bytes.ts';
import { buildCdb } from '../scsi/cdb.ts';
import type { CdbFormat } from '../scsi/cdb.ts';
import {
  INQUIRY,
  MODE_SELECT_6,
  MODE_SENSE_6,
  PREVENT_ALLOW_MEDIUM_REMOVAL,
  TEST_UNIT_READY,
} from '../scsi/commands-primary.ts';
import {
  ERASE_6,
  LOAD_UNLOAD,
  LOCATE_10,
  POSITION_FORM,
  READ_6,
  READ_BLOCK_LIMITS,
  READ_POSITION,
  REWIND,
  SPACE_6,
  SPACE_CODE,
  WRITE_6,
  WRITE_FILEMARKS_6,
} from '../scsi/commands-sequential.ts';
import {
  STANDARD_INQUIRY_LENGTH,
  VPD_PAGE,
  parseStandardInquiry,
  parseVpdPage,
} from '../scsi/inquiry.ts';
import type { StandardInquiry } from '../scsi/inquiry.ts';
import { buildModeParameters, parseModeParameters } from '../scsi/mode.ts';
import type { ParsedModeParameters } from '../scsi/mode.ts';
import {
  BLOCK_LIMITS_LENGTH,
  POSITION_LONG_LENGTH,
  parseBlockLimits,
  parseLongPosition,
} from '../scsi/position.ts';
import type { BlockLimits, LongPosition } from '../scsi/position.ts';
import { SENSE_KEY, isSense } from '../scsi/sense.ts';
import { DONE, troubleOf } from './outcome.ts';
import type { Done, Trouble } from './outcome.ts';

/**
 * `data` are the blocks read; `residual` = requested less actual where a block had another length.
 */
export type ReadOutcome =
  | { readonly kind: 'block'; readonly data: Uint8Array; readonly residual: number }
  | { readonly kind: 'filemark'; readonly data: Uint8Array }
  | { readonly kind: 'end-of-data'; readonly data: Uint8Array }
  | Trouble;

/** `early-warning`: all was written, little more fits. `end-of-medium`: `missing` did not fit. */
export type WriteOutcome =
  | Done
  | { readonly kind: 'early-warning' }
  /** Blocks (fixed), bytes (variable) or filemarks that were not written. */
  | { readonly kind: 'end-of-medium'; readonly missing: number }
  | Trouble;

/** `residual` is what was not passed over. */
export type SpaceOutcome =
  | Done
  | { readonly kind: 'filemark'; readonly residual: number }
  | { readonly kind: 'end-of-data'; readonly residual: number }
  | { readonly kind: 'beginning-of-partition'; readonly residual: number }
  | Trouble;

export type Answer<Value> = { readonly kind: 'answer'; readonly value: Value } | Trouble;

export interface TapeTimeouts {
  /** For commands that only talk. */
  readonly shortMs: number;
  /** For commands that move data or tape. */
  readonly longMs: number;
}

const TIMEOUTS: TapeTimeouts = { shortMs: 60_000, longMs: 900_000 };
/**
 * Unit attentions that {@link TapeOperations.awaitReady} lets pass: each says something new once.
 */
const UNIT_ATTENTION_COUNT_MAX = 8;
const ALLOCATION_LENGTH_MAX = 255;

export class TapeOperations {
  readonly #transport: ScsiTransport;
  readonly #timeouts: TapeTimeouts;

  constructor(transport: ScsiTransport, timeouts: TapeTimeouts = TIMEOUTS) {
    this.#transport = transport;
    this.#timeouts = timeouts;
  }

  #execute<Name extends string>(
    format: CdbFormat<Name>,
    values: Partial<Record<Name, number>>,
    rest: Partial<Omit<ScsiCommand, 'cdb'>> = {},
  ): Promise<ScsiResult> {
    const cdb = buildCdb(format, values);
    const timeoutMs = this.#timeouts.longMs;
    return this.#transport.execute({ cdb, dataInLength: 0, timeoutMs, ...rest });
  }

  async #perform<Name extends string>(
    format: CdbFormat<Name>,
    values: Partial<Record<Name, number>> = {},
    rest: Partial<Omit<ScsiCommand, 'cdb'>> = {},
  ): Promise<Done | Trouble> {
    return troubleOf(await this.#execute(format, values, rest)) ?? DONE;
  }

  async #ask<Name extends string, Value>(
    format: CdbFormat<Name>,
    values: Partial<Record<Name, number>>,
    dataInLength: number,
    parse: (bytes: Uint8Array) => Value | undefined,
  ): Promise<Answer<Value>> {
    const timeoutMs = this.#timeouts.shortMs;
    const result = await this.#execute(format, values, { dataInLength, timeoutMs });
    const trouble = troubleOf(result);
    if (trouble !== undefined) return trouble;
    const value = parse(result.dataIn);
    return value === undefined
      ? { kind: 'malformed', answerTo: format.name }
      : { kind: 'answer', value };
  }

  /** Whether a medium is loaded and nothing waits to be told. */
  testUnitReady(): Promise<Done | Trouble> {
    return this.#perform(TEST_UNIT_READY, {}, { timeoutMs: this.#timeouts.shortMs });
  }

  /**
   * As {@link testUnitReady}, but unit attentions (power on, medium changed) are heard and passed.
   */
  async awaitReady(): Promise<Done | Trouble> {
    let outcome = await this.testUnitReady();
    for (let heard = 1; heard < UNIT_ATTENTION_COUNT_MAX; heard += 1) {
      if (outcome.kind !== 'sense' || outcome.sense.key !== SENSE_KEY.UNIT_ATTENTION) break;
      outcome = await this.testUnitReady();
    }
    return outcome;
  }

  inquiry(): Promise<Answer<StandardInquiry>> {
    const allocationLength = STANDARD_INQUIRY_LENGTH;
    return this.#ask(INQUIRY, { allocationLength }, allocationLength, parseStandardInquiry);
  }

  serialNumber(): Promise<Answer<string>> {
    const pageCode = VPD_PAGE.UNIT_SERIAL_NUMBER;
    return this.#ask(
      INQUIRY,
      { evpd: 1, pageCode, allocationLength: ALLOCATION_LENGTH_MAX },
      ALLOCATION_LENGTH_MAX,
      (bytes) => {
        const text = parseVpdPage(pageCode, bytes);
        return text && decodeAscii(text).trim();
      },
    );
  }

  blockLimits(): Promise<Answer<BlockLimits>> {
    return this.#ask(READ_BLOCK_LIMITS, {}, BLOCK_LIMITS_LENGTH, parseBlockLimits);
  }

  /** Header, block descriptor and the page (3Fh: all pages). */
  modeSense(pageCode: number): Promise<Answer<ParsedModeParameters>> {
    return this.#ask(
      MODE_SENSE_6,
      { pageCode, allocationLength: ALLOCATION_LENGTH_MAX },
      ALLOCATION_LENGTH_MAX,
      (bytes) => {
        const list = parseModeParameters(6, bytes);
        return 'fault' in list ? undefined : list;
      },
    );
  }

  /** Block length of fixed transfers (0: none) and buffered mode; pages with what shall change. */
  modeSelect(settings: {
    readonly blockLength: number;
    readonly bufferedMode: 0 | 1;
    readonly pages?: readonly Uint8Array[];
  }): Promise<Done | Trouble> {
    const dataOut = buildModeParameters(6, {
      writeProtected: false,
      bufferedMode: settings.bufferedMode,
      speed: 0,
      blockDescriptor: { densityCode: 0, blockLength: settings.blockLength },
      pages: settings.pages ?? [],
    });
    // MODE DATA LENGTH is reserved on this way.
    dataOut[0] = 0;
    return this.#perform(
      MODE_SELECT_6,
      { pf: 1, parameterListLength: dataOut.length },
      { dataOut },
    );
  }

  async #read(
    values: { readonly fixed: number; readonly sili: number; readonly transferLength: number },
    dataInLength: number,
  ): Promise<ReadOutcome> {
    const result = await this.#execute(READ_6, values, { dataInLength });
    const data = result.dataIn;
    const trouble = troubleOf(result);
    if (trouble === undefined) return { kind: 'block', data, residual: 0 };
    if (trouble.kind !== 'sense' || trouble.sense.deferred) return trouble;
    const { sense } = trouble;
    if (isSense(sense, 'FILEMARK_DETECTED')) return { kind: 'filemark', data };
    if (sense.key === SENSE_KEY.BLANK_CHECK) return { kind: 'end-of-data', data };
    if (isSense(sense, 'INCORRECT_LENGTH') && sense.information !== undefined) {
      return { kind: 'block', data, residual: sense.information };
    }
    return trouble;
  }

  /**
   * Reads one block of at most `lengthMax` bytes. A longer one is cut, its residual is negative.
   * The position is behind the block or the filemark; at end of data it stays.
   */
  readBlock(lengthMax: number): Promise<ReadOutcome> {
    return this.#read({ fixed: 0, sili: 0, transferLength: lengthMax }, lengthMax);
  }

  /**
   * Reads up to `count` blocks of the length set. `data` holds those read before what ended it;
   * with a `residual` (in blocks) the last one met had another length, and the position is behind
   * it.
   */
  readBlocks(count: number, blockLength: number): Promise<ReadOutcome> {
    return this.#read({ fixed: 1, sili: 0, transferLength: count }, count * blockLength);
  }

  async #write<Name extends string>(
    format: CdbFormat<Name>,
    values: Partial<Record<Name, number>>,
    dataOut?: Uint8Array,
  ): Promise<WriteOutcome> {
    const rest = dataOut === undefined ? {} : { dataOut };
    const outcome = await this.#perform(format, values, rest);
    if (outcome.kind !== 'sense' || outcome.sense.deferred) return outcome;
    const { sense } = outcome;
    if (isSense(sense, 'END_OF_PARTITION_MEDIUM_DETECTED')) return { kind: 'early-warning' };
    if (sense.key === SENSE_KEY.VOLUME_OVERFLOW) {
      return { kind: 'end-of-medium', missing: sense.information ?? 0 };
    }
    return outcome;
  }

  /** Writes one block (1 to 2^24 - 1 bytes); what was behind the position is gone. */
  writeBlock(block: Uint8Array): Promise<WriteOutcome> {
    return this.#write(WRITE_6, { transferLength: block.length }, block);
  }

  /** Writes blocks of the length set, one after another in `data`. */
  writeBlocks(data: Uint8Array, blockLength: number): Promise<WriteOutcome> {
    return this.#write(WRITE_6, { fixed: 1, transferLength: data.length / blockLength }, data);
  }

  /** Writes filemarks; all that was written before is durable then, unless `immediate`. */
  writeFilemarks(count: number, options?: { readonly immediate: boolean }): Promise<WriteOutcome> {
    const immed = options?.immediate === true ? 1 : 0;
    return this.#write(WRITE_FILEMARKS_6, { filemarkCount: count, immed });
  }

  /** Makes durable what was written; no mark is made. */
  synchronize(): Promise<WriteOutcome> {
    return this.writeFilemarks(0);
  }

  /**
   * Moves over `count` blocks or filemarks, backward where it is negative (|count| < 2^23). Over
   * blocks it stops at a filemark: behind it forward, before it backward.
   */
  async space(over: 'blocks' | 'filemarks', count: number): Promise<SpaceOutcome> {
    const code = over === 'blocks' ? SPACE_CODE.BLOCKS : SPACE_CODE.FILEMARKS;
    const outcome = await this.#perform(SPACE_6, { code, count });
    if (outcome.kind !== 'sense' || outcome.sense.deferred) return outcome;
    const { sense } = outcome;
    const residual = sense.information ?? 0;
    if (isSense(sense, 'FILEMARK_DETECTED')) return { kind: 'filemark', residual };
    if (sense.key === SENSE_KEY.BLANK_CHECK) return { kind: 'end-of-data', residual };
    if (isSense(sense, 'BEGINNING_OF_PARTITION_MEDIUM_DETECTED')) {
      return { kind: 'beginning-of-partition', residual };
    }
    return outcome;
  }

  spaceToEndOfData(): Promise<Done | Trouble> {
    return this.#perform(SPACE_6, { code: SPACE_CODE.END_OF_DATA });
  }

  /**
   * Moves to an object of the partition, or of another; BLANK CHECK where there are fewer objects.
   */
  locate(logicalObjectIdentifier: number, partition?: number): Promise<Done | Trouble> {
    const change = partition === undefined ? {} : { cp: 1, partition };
    return this.#perform(LOCATE_10, { logicalObjectIdentifier, ...change });
  }

  position(): Promise<Answer<LongPosition>> {
    const serviceAction = POSITION_FORM.LONG;
    return this.#ask(READ_POSITION, { serviceAction }, POSITION_LONG_LENGTH, parseLongPosition);
  }

  rewind(): Promise<Done | Trouble> {
    return this.#perform(REWIND);
  }

  /** Drops everything from the position on. */
  erase(): Promise<Done | Trouble> {
    return this.#perform(ERASE_6, { long: 1 });
  }

  load(): Promise<Done | Trouble> {
    return this.#perform(LOAD_UNLOAD, { load: 1 });
  }

  /** Rewinds and gives the cartridge back; all that was written is durable then. */
  unload(): Promise<Done | Trouble> {
    return this.#perform(LOAD_UNLOAD);
  }

  preventRemoval(prevent: boolean): Promise<Done | Trouble> {
    return this.#perform(PREVENT_ALLOW_MEDIUM_REMOVAL, { prevent: prevent ? 1 : 0 });
  }
}
