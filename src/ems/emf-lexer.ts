/** The words of a filter's source, and how a mistake in it is told. */
import { CapstanError } from '../base/errors.ts';

/** Longest source, characters; most words in it; longest string. */
export const EMF_SOURCE_CHARS_MAX = 65_536;
export const EMF_WORDS_MAX = 10_000;
export const EMF_STRING_CHARS_MAX = 255;

export interface EmfWord {
  readonly kind: 'name' | 'number' | 'string' | 'sign' | 'end';
  /** A name in capitals, a string without its quotes. */
  readonly text: string;
  readonly line: number;
  readonly column: number;
}

/** Throws INVALID_ARGUMENT that names the place in the source. */
export function refuseAt(place: Pick<EmfWord, 'line' | 'column'>, reason: string): never {
  throw new CapstanError('INVALID_ARGUMENT', {
    what: `The filter, line ${place.line}, column ${place.column},`,
    reason,
  });
}

// A remark goes from an exclamation mark to the next one or to the end of its line.
const WORD =
  /(?<space>[ \t\r]+|![^!\n]*!?)|(?<newline>\n)|(?<name>[A-Za-z][A-Za-z0-9^_]*)|(?<number>\d+)|"(?<string>(?:[^"\n]|"")*)"|(?<sign><>|<=|>=|[=<>();,])/y;

/** The words of `source`, ended by one of kind `end`. Throws INVALID_ARGUMENT, LIMIT_EXCEEDED. */
export function emfWords(source: string): readonly EmfWord[] {
  checkLimit("The filter's source", source.length, EMF_SOURCE_CHARS_MAX, 'characters');
  const words: EmfWord[] = [];
  let line = 1;
  let lineStart = 0;
  for (let at = 0; at < source.length;) {
    const place = { line, column: at - lineStart + 1 };
    WORD.lastIndex = at;
    const groups = WORD.exec(source)?.groups;
    if (groups === undefined) {
      refuseAt(place, `${JSON.stringify(source.charAt(at))} has no meaning here`);
    }
    at = WORD.lastIndex;
    if (groups['newline'] !== undefined) {
      line += 1;
      lineStart = at;
    }
    const word = wordOf(groups);
    if (word === undefined) continue;
    words.push({ ...word, ...place });
    checkLimit('The number of words of the filter', words.length, EMF_WORDS_MAX, 'words');
    if (word.kind !== 'string') continue;
    checkLimit('The length of a string', word.text.length, EMF_STRING_CHARS_MAX, 'characters');
  }
  return [...words, { kind: 'end', text: '', line, column: source.length - lineStart + 1 }];
}

function wordOf(
  groups: Readonly<Record<string, string | undefined>>,
): Pick<EmfWord, 'kind' | 'text'> | undefined {
  const { name, number, string, sign } = groups;
  if (name !== undefined) return { kind: 'name', text: name.toUpperCase() };
  if (number !== undefined) return { kind: 'number', text: number };
  if (string !== undefined) return { kind: 'string', text: string.replaceAll('""', '"') };
  if (sign !== undefined) return { kind: 'sign', text: sign };
  return undefined;
}

function checkLimit(what: string, value: number, limit: number, unit: string): void {
  if (value <= limit) return;
  throw new CapstanError('LIMIT_EXCEEDED', {
    what,
    value: `${value} ${unit}`,
    limit: `${limit} ${unit}`,
  });
}
