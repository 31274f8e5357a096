/**
 * Labels of a tape: what its first blocks and the blocks around its files say.
 *
 * Terms: a label is a block of 80 characters. VOL1 names the volume; HDR1 and HDR2 open a file,
 * EOF1 and EOF2 close it, EOV1 and EOV2 where it goes on on another volume. NonStop's BACKUP label
 * is the ANSI one with `B` in column 80 of VOL1. IBM's standard labels are the same blocks in EBCDIC;
 * their VOL1 has its owner in 42-51 and no version. Columns count from 1, as the standard does.
 *
 *   VOL1: 5-10 volume, 11 accessibility, 38-51 owner, 80 label standard version
 *   xxx1: 5-21 file, 22-27 file set, 28-31 section, 32-35 sequence, 36-39 generation,
 *         40-41 version, 42-47 creation, 48-53 expiration, 54 accessibility, 55-60 block count,
 *         61-73 system
 *   xxx2: 5 record format, 6-10 block length, 11-15 record length, 51-52 buffer offset
 *
 * @source ANSI X3.27-1978 (ISO 1001, ECMA-13); HP Guardian Disk and Tape Utilities, BACKCOPY;
 *   IBM z/OS DFSMS Using Magnetic Tapes, standard labels
 */
import { decodeAscii, encodeAscii } from '../base/bytes.ts';
import { decodeEbcdic, encodeEbcdic } from '../base/ebcdic.ts';
import { CapstanError } from '../base/errors.ts';
import { FILEMARK } from './tape-object.ts';
import type { TapeObject } from './tape-object.ts';

export const LABEL_LENGTH = 80;

/** How a volume is labelled, by VOL1. */
export type LabelType = 'ANSI' | 'BACKUP' | 'IBM';

export interface VolumeLabel {
  readonly kind: 'VOL1';
  readonly type: LabelType;
  /** At most 6 characters. */
  readonly volume: string;
  /** At most 14 characters, of IBM's 10. */
  readonly owner: string;
}

/** A day as labels have it; X3.27 knows the years 1900 to 2099. */
export interface LabelDate {
  readonly year: number;
  /** 1 to 366. */
  readonly dayOfYear: number;
}

export interface FileLabel {
  readonly kind: 'HDR1' | 'EOF1' | 'EOV1';
  /** At most 17 characters. */
  readonly file: string;
  /** At most 6 characters: the volume on which the file set begins. */
  readonly fileSet: string;
  readonly section: number;
  readonly sequence: number;
  readonly generation: number;
  readonly version: number;
  /** Undefined: not known; as an expiration: expired. */
  readonly creation?: LabelDate;
  readonly expiration?: LabelDate;
  /** Blocks between the filemarks; 0 in HDR1. */
  readonly blockCount: number;
  /** At most 13 characters. */
  readonly system: string;
}

export interface FormatLabel {
  readonly kind: 'HDR2' | 'EOF2' | 'EOV2';
  /** Fixed, variable (decimal length in front) or spanned records, or undefined ones. */
  readonly recordFormat: 'F' | 'D' | 'S' | 'U';
  readonly blockLength: number;
  readonly recordLength: number;
}

export type Label = VolumeLabel | FileLabel | FormatLabel;

/** The characters that a label may hold: X3.27's "a" characters. */
const LABEL_TEXT = /^[A-Z0-9 !"%&'()*+,\-./:;<=>?_]*$/;
const COUNT_MAX_DIGITS = 6;

function refuse(what: string, reason: string): never {
  throw new CapstanError('INVALID_ARGUMENT', { what, reason });
}

function textField(what: string, text: string, width: number): string {
  if (!LABEL_TEXT.test(text)) refuse(what, 'a label has capitals, digits and a few signs');
  if (text.length > width) refuse(what, `a label has ${width} characters for it`);
  return text.padEnd(width, ' ');
}

function numberField(what: string, value: number, width: number): string {
  if (!Number.isInteger(value) || value < 0) refuse(what, 'it is not a whole number');
  if (value >= 10 ** width) refuse(what, `a label has ${width} digits for it`);
  return String(value).padStart(width, '0');
}

/** ` yyddd`: the space stands for 19, a 0 for 20; day 0 of year 0 for no date. */
function dateField(what: string, date: LabelDate | undefined): string {
  if (date === undefined) return ' 00000';
  if (date.year < 1900 || date.year > 2099) refuse(what, 'a label knows the years 1900 to 2099');
  if (date.dayOfYear < 1 || date.dayOfYear > 366) refuse(what, 'a year has no such day');
  const century = date.year < 2000 ? ' ' : '0';
  return century + numberField(what, date.year % 100, 2) + numberField(what, date.dayOfYear, 3);
}

const VERSION_COLUMN = { ANSI: '3', BACKUP: 'B', IBM: ' ' } as const satisfies Record<
  LabelType,
  string
>;

function volumeText(label: VolumeLabel): string {
  if (label.type === 'IBM') {
    const volume = textField('The volume name', label.volume, 6);
    // Column 11 is security's: 0 for none.
    return ['VOL1', volume, '0', ' '.repeat(30), textField('The owner', label.owner, 10)]
      .join('')
      .padEnd(LABEL_LENGTH, ' ');
  }
  return [
    'VOL1',
    textField('The volume name', label.volume, 6),
    ' '.repeat(27),
    textField('The owner', label.owner, 14),
    ' '.repeat(28),
    VERSION_COLUMN[label.type],
  ].join('');
}

function fileText(label: FileLabel): string {
  return [
    label.kind,
    textField('The file name', label.file, 17),
    textField('The file set', label.fileSet, 6),
    numberField('The section number', label.section, 4),
    numberField('The sequence number', label.sequence, 4),
    numberField('The generation number', label.generation, 4),
    numberField('The version number', label.version, 2),
    dateField('The creation date', label.creation),
    dateField('The expiration date', label.expiration),
    ' ',
    // A count has six digits; what is beyond them is lost, as on any labelled tape.
    numberField('The block count', label.blockCount % 10 ** COUNT_MAX_DIGITS, COUNT_MAX_DIGITS),
    textField('The system code', label.system, 13),
    ' '.repeat(7),
  ].join('');
}

function formatText(label: FormatLabel): string {
  return [
    label.kind,
    label.recordFormat,
    numberField('The block length', label.blockLength, 5),
    numberField('The record length', label.recordLength, 5),
    ' '.repeat(35),
    '00',
    ' '.repeat(28),
  ].join('');
}

/**
 * The label's block of 80 bytes: ASCII, or EBCDIC where `code` says so, as it must for a VOL1 of IBM's.
 * Throws INVALID_ARGUMENT for what does not fit into its columns.
 */
export function encodeLabel(label: Label, code: LabelCode = codeOf(label)): Uint8Array {
  const text = labelText(label);
  return code === 'ebcdic' ? encodeEbcdic(text) : encodeAscii(text);
}

/** The characters of a volume's labels. */
export type LabelCode = 'ascii' | 'ebcdic';

function codeOf(label: Label): LabelCode {
  return label.kind === 'VOL1' && label.type === 'IBM' ? 'ebcdic' : 'ascii';
}

function labelText(label: Label): string {
  switch (label.kind) {
    case 'VOL1':
      return volumeText(label);
    case 'HDR1':
    case 'EOF1':
    case 'EOV1':
      return fileText(label);
    default:
      return formatText(label);
  }
}

function parseDate(text: string): LabelDate | undefined {
  const match = /^([ 0])(\d\d)(\d\d\d)$/.exec(text);
  const dayOfYear = Number(match?.[3]);
  if (match === null || dayOfYear < 1 || dayOfYear > 366) return undefined;
  return { year: (match[1] === '0' ? 2000 : 1900) + Number(match[2]), dayOfYear };
}

/** Digits, or 0 where there are none: old tapes have spaces. */
const parseNumber = (text: string): number => (/^\d+$/.test(text) ? Number(text) : 0);

function parseFileLabel(kind: FileLabel['kind'], text: string): FileLabel {
  const columns = (first: number, last: number): string => text.slice(first - 1, last);
  const creation = parseDate(columns(42, 47));
  const expiration = parseDate(columns(48, 53));
  return {
    kind,
    file: columns(5, 21).trimEnd(),
    fileSet: columns(22, 27).trimEnd(),
    section: parseNumber(columns(28, 31)),
    sequence: parseNumber(columns(32, 35)),
    generation: parseNumber(columns(36, 39)),
    version: parseNumber(columns(40, 41)),
    ...(creation && { creation }),
    ...(expiration && { expiration }),
    blockCount: parseNumber(columns(55, 60)),
    system: columns(61, 73).trimEnd(),
  };
}

function parseFormatLabel(kind: FormatLabel['kind'], text: string): FormatLabel {
  const format = text.charAt(4);
  return {
    kind,
    recordFormat: format === 'F' || format === 'D' || format === 'S' ? format : 'U',
    blockLength: parseNumber(text.slice(5, 10)),
    recordLength: parseNumber(text.slice(10, 15)),
  };
}

/** The label in a block, ASCII or EBCDIC, or undefined where the block is none that is known. */
export function parseLabel(block: Uint8Array): Label | undefined {
  if (block.length !== LABEL_LENGTH) return undefined;
  const isEbcdic = EBCDIC_KINDS.has(decodeEbcdic(block.subarray(0, 3)));
  const text = isEbcdic ? decodeEbcdic(block) : decodeAscii(block);
  const kind = text.slice(0, 4);
  switch (kind) {
    case 'VOL1': {
      if (isEbcdic) {
        const [volume, owner] = [text.slice(4, 10).trimEnd(), text.slice(41, 51).trimEnd()];
        return { kind, type: 'IBM', volume, owner };
      }
      const type = text.charAt(79) === VERSION_COLUMN.BACKUP ? 'BACKUP' : 'ANSI';
      const volume = text.slice(4, 10).trimEnd();
      return { kind, type, volume, owner: text.slice(37, 51).trimEnd() };
    }
    case 'HDR1':
    case 'EOF1':
    case 'EOV1':
      return parseFileLabel(kind, text);
    case 'HDR2':
    case 'EOF2':
    case 'EOV2':
      return parseFormatLabel(kind, text);
    default:
      return undefined;
  }
}

/** What the labels of a volume begin with. */
const EBCDIC_KINDS = new Set(['VOL', 'HDR', 'EOF', 'EOV']);

/** How the volume whose first block this is is labelled; OMITTED where it is no label. */
export function detectLabelType(firstBlock: Uint8Array): LabelType | 'OMITTED' {
  const label = parseLabel(firstBlock);
  return label?.kind === 'VOL1' ? label.type : 'OMITTED';
}

/** IEHINITT's dummy header behind an IBM VOL1: HDR1 and zeros. */
const IBM_DUMMY_HEADER = `HDR1${'0'.repeat(LABEL_LENGTH - 4)}`;

/**
 * What a freshly created virtual tape holds: VOL1 HDR1 HDR2 TM TM EOF1 EOF2 TM TM, an empty file; with
 * IBM labels VOL1 HDR1 TM.
 * Throws INVALID_ARGUMENT for a volume or an owner that no label can hold.
 */
export function initialLabel(options: {
  readonly volume: string;
  readonly owner: string;
  readonly type: LabelType;
}): readonly TapeObject[] {
  const volumeLabel: TapeObject = {
    kind: 'block',
    data: encodeLabel({ kind: 'VOL1', ...options }),
  };
  if (options.type === 'IBM') {
    return [volumeLabel, { kind: 'block', data: encodeEbcdic(IBM_DUMMY_HEADER) }, FILEMARK];
  }
  const file = {
    file: '',
    fileSet: options.volume,
    section: 1,
    sequence: 1,
    generation: 1,
    version: 0,
    blockCount: 0,
    system: '',
  } as const;
  const format = { recordFormat: 'U', blockLength: 0, recordLength: 0 } as const;
  const labelBlock = (label: Label): TapeObject => ({ kind: 'block', data: encodeLabel(label) });
  return [
    volumeLabel,
    labelBlock({ kind: 'HDR1', ...file }),
    labelBlock({ kind: 'HDR2', ...format }),
    FILEMARK,
    FILEMARK,
    labelBlock({ kind: 'EOF1', ...file }),
    labelBlock({ kind: 'EOF2', ...format }),
    FILEMARK,
    FILEMARK,
  ];
}
