/**
 * A case as lanes of time: out of the lines of its trace, what each server, host, wire and tape did when.
 *
 * A line is `SECONDS WHO: WHAT`, where WHAT is a sentence or a server's event as JSON, or `SECONDS > COMMAND`.
 */

/** What a mark or a bar means; the page has a colour for each. */
export type Mood = 'plain' | 'good' | 'warning' | 'fault' | 'command';

export interface Mark {
  readonly atMs: number;
  readonly text: string;
  readonly mood: Mood;
}

/** Something that lasted. */
export interface Bar {
  readonly fromMs: number;
  toMs: number;
  text: string;
  mood: Mood;
}

export interface Lane {
  readonly kind: 'commands' | 'server' | 'host' | 'network' | 'tape' | 'other';
  readonly name: string;
  readonly marks: Mark[];
  readonly bars: Bar[];
}

export interface Timeline {
  readonly lanes: readonly Lane[];
  /** Of the case; later than the newest line where nothing more was to tell. */
  readonly endMs: number;
}

const KINDS = ['commands', 'host', 'server', 'network', 'tape', 'other'] as const;
const LINE =
  /^ *(\d+\.\d+) (?:> (?<command>.*)|wire (?<wire>\S+): (?<state>.*)|(?<host>\\\w+): (?<said>.*)|(?<who>[a-z][\w-]*): (?<what>.*)|(?<rest>.*))$/s;

type JsonEvent = Readonly<Record<string, unknown>> & { readonly kind: string };

/** `lines`: of a trace, oldest first; `endMs`: when the case ended, from its beginning. */
export function timelineOf(lines: readonly string[], endMs: number): Timeline {
  const builder = new TimelineBuilder();
  for (const line of lines) builder.add(line);
  return builder.end(endMs);
}

class TimelineBuilder {
  readonly #lanes = new Map<string, Lane>();
  /** Bars that have not ended, by what they are of. */
  readonly #open = new Map<string, Bar>();
  /** Names of servers by their addresses. */
  readonly #names = new Map<string, string>();
  #nowMs = 0;

  add(line: string): void {
    const match = LINE.exec(line);
    if (match === null) return;
    this.#nowMs = Number(match[1]) * 1000;
    const { command, wire, state, host, said, who, what, rest } = match.groups ?? {};
    if (command !== undefined) this.#mark('commands', 'commands', command, 'command');
    else if (wire !== undefined) this.#addWire(wire, state ?? '');
    else if (host !== undefined) this.#mark('host', host, (said ?? '').trimEnd(), 'plain');
    else if (who === undefined) this.#mark('other', 'elsewhere', rest ?? '', 'plain');
    else if (what?.startsWith('{') === true) this.#addEvent(who, what);
    else this.#addServer(who, what ?? '');
  }

  end(endMs: number): Timeline {
    for (const bar of this.#open.values()) bar.toMs = endMs;
    for (const [name, lane] of this.#lanes) {
      if (lane.kind !== 'network') continue;
      const ends = lane.name.split('-').map((address) => this.#names.get(address) ?? address);
      this.#lanes.set(name, { ...lane, name: ends.join(' – ') });
    }
    const lanes = [...this.#lanes.values()].toSorted(
      (left, right) =>
        KINDS.indexOf(left.kind) - KINDS.indexOf(right.kind) || (left.name < right.name ? -1 : 1),
    );
    return { lanes, endMs };
  }

  #lane(kind: Lane['kind'], name: string): Lane {
    const key = `${kind} ${name}`;
    const lane = this.#lanes.get(key) ?? { kind, name, marks: [], bars: [] };
    this.#lanes.set(key, lane);
    return lane;
  }

  #mark(kind: Lane['kind'], name: string, text: string, mood: Mood): void {
    this.#lane(kind, name).marks.push({ atMs: this.#nowMs, text, mood });
  }

  #begin(lane: Lane, key: string, text: string, mood: Mood): void {
    this.#finish(key);
    const bar = { fromMs: this.#nowMs, toMs: this.#nowMs, text, mood };
    lane.bars.push(bar);
    this.#open.set(key, bar);
  }

  /** The bar ends here; with `text`, that says how. */
  #finish(key: string, text?: string, mood?: Mood): boolean {
    const bar = this.#open.get(key);
    if (bar === undefined) return false;
    bar.toMs = this.#nowMs;
    if (text !== undefined) bar.text += `: ${text}`;
    if (mood !== undefined) bar.mood = mood;
    this.#open.delete(key);
    return true;
  }

  #addWire(name: string, state: string): void {
    const lane = this.#lane('network', name);
    const key = `wire ${name}`;
    this.#mark('network', name, state, state === 'healed' ? 'good' : 'fault');
    if (state === 'healed') this.#finish(key);
    else if (state === 'down' || state === 'stalled') this.#begin(lane, key, state, 'fault');
  }

  #addServer(who: string, what: string): void {
    const lane = this.#lane('server', who);
    if (what === 'start') {
      this.#finish(`down ${who}`);
      this.#mark('server', who, what, 'good');
    } else if (what.startsWith('killed')) {
      this.#mark('server', who, what, 'fault');
      this.#begin(lane, `down ${who}`, `${who} is down, ${what}`, 'fault');
      for (const key of this.#open.keys()) {
        if (key.endsWith(` on ${who}`)) this.#finish(key, `${who} was killed`, 'fault');
      }
    } else this.#mark('server', who, what, 'plain');
  }

  #addEvent(who: string, json: string): void {
    const event = JSON.parse(json) as JsonEvent;
    switch (event.kind) {
      case 'event-logged':
        return this.#addLogged(who, event['row'] as Readonly<Record<string, string>>);
      case 'ems-line':
        return this.#mark('host', String(event['host']), String(event['text']), 'plain');
      case 'mounted': {
        const { tape, drive, ring } = event['mount'] as Readonly<Record<string, unknown>>;
        const text = `in ${String(drive)} of ${who}, ${ring === true ? 'ring' : 'no ring'}`;
        const name = String(tape);
        return this.#begin(this.#lane('tape', name), `mount of ${name} on ${who}`, text, 'plain');
      }
      case 'dismounted': {
        const { tape } = event['mount'] as Readonly<Record<string, unknown>>;
        const changed = event['changed'] === true ? 'changed' : 'unchanged';
        const text = `generation ${String(event['generation'])}, ${changed}`;
        this.#finish(`mount of ${String(tape)} on ${who}`, text);
        return undefined;
      }
      default:
        return this.#addCopy(who, event);
    }
  }

  #addLogged(who: string, row: Readonly<Record<string, string>>): void {
    const { address = '', severity = '', messageId = '', text = '' } = row;
    this.#names.set(address, who);
    const mood = severity === 'ERROR' ? 'fault' : severity === 'WARNING' ? 'warning' : 'plain';
    this.#mark('server', who, `${severity} ${messageId} ${text}`, mood);
  }

  #addCopy(who: string, event: JsonEvent): void {
    const { kind, ...rest } = event;
    const name = String(event['tape']);
    const key = `copy of ${name} to ${String(event['target'])} on ${who}`;
    if (kind === 'copy-started') {
      const { target, generation, attempt } = event;
      const text = `copy to ${String(target)} of generation ${String(generation)}, attempt ${String(attempt)}`;
      return this.#begin(this.#lane('tape', name), key, text, 'warning');
    }
    const isGood = kind === 'copy-finished';
    const how = isGood
      ? `${String(event['outcome'])}, ${String(event['bytesSent'])} bytes`
      : String(event['reason']);
    if (isGood || kind === 'copy-attempt-failed') {
      if (this.#finish(key, how, isGood ? 'good' : 'fault')) return undefined;
    }
    const text = `${kind} ${JSON.stringify(rest)}`;
    const mood = /fault|failed/.test(kind + String(event['outcome'])) ? 'fault' : 'plain';
    if (event['tape'] === undefined) return this.#mark('server', who, text, mood);
    return this.#mark('tape', name, `${who}: ${text}`, mood);
  }
}
