/** Server-sent events out of the text of a stream, as it comes in. */
import { CapstanError } from '../base/errors.ts';
import { MIB } from '../base/units.ts';

/** Longest event that is kept, characters. */
const EVENT_CHARS_MAX = MIB;

export interface ParsedEvent {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: string;
}

/** Comments and `retry` are passed over; events without data are none. */
export class EventParser {
  #rest = '';

  /** The events that are whole now. Throws LIMIT_EXCEEDED. */
  push(text: string): readonly ParsedEvent[] {
    const blocks = (this.#rest + text).split('\n\n');
    this.#rest = blocks.pop() ?? '';
    if (this.#rest.length > EVENT_CHARS_MAX) {
      const limit = `${EVENT_CHARS_MAX} characters`;
      throw new CapstanError('LIMIT_EXCEEDED', { what: 'An event', value: 'longer', limit });
    }
    return blocks.map(parseBlock).filter((event) => event !== undefined);
  }
}

function parseBlock(block: string): ParsedEvent | undefined {
  const fields = new Map<string, string>();
  for (const line of block.split('\n')) {
    const match = /^(\w+): ?(.*)$/.exec(line);
    if (match === null) continue;
    const [, name = '', value = ''] = match;
    const before = fields.get(name);
    fields.set(name, name === 'data' && before !== undefined ? `${before}\n${value}` : value);
  }
  const data = fields.get('data');
  if (data === undefined) return undefined;
  return { id: fields.get('id'), event: fields.get('event') ?? 'message', data };
}
