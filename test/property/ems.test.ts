/**
 * Goal: whatever bytes a host's line brings, and however they are cut, the same events come out and
 * nothing else happens. Method: print random events, read them back; cut the bytes anywhere; put
 * rubbish in between; and feed rubbish alone to everything that reads from outside.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeAscii } from '../../src/base/bytes.ts';
import {
  type DistributorEvent,
  DistributorParser,
  formatDistributorLines,
} from '../../src/ems/printing-distributor.ts';
import { TaclHostSession } from '../../src/ems/tacl-host.ts';
import { type SessionEffect, TaclSession } from '../../src/ems/tacl-session.ts';
import {
  type ZsvrEvent,
  cleanComment,
  formatZsvrEvent,
  parseZsvrEvent,
} from '../../src/ems/zsvr-events.ts';
import { ZSVR_EVENTS } from '../../src/ems/zsvr-table.ts';

const RUNS = { numRuns: 500, seed: 20060828 };

const LETTERS = Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZ');
const DIGITS = Array.from('0123456789');
const capital = fc.constantFrom(...LETTERS);
const letterOrDigit = fc.constantFrom(...LETTERS, ...DIGITS);
const word = (min: number, max: number): fc.Arbitrary<string> =>
  fc.string({ unit: letterOrDigit, minLength: min, maxLength: max });
const name = fc.tuple(capital, word(0, 6)).map((parts) => parts.join(''));
const volume = fc.oneof(word(1, 6), fc.constantFrom('WITH', 'NO', 'RING', 'ON', 'REEL', 'TAPE'));
const device = name.map((text) => `$${text}`);
const comment = fc
  .oneof(fc.string({ maxLength: 120 }), fc.constantFrom('WITH RING', 'NO RING', 'ON $TAPE0'))
  .map(cleanComment)
  .filter((text) => text !== '');

const FIELDS: Readonly<Record<string, fc.Arbitrary<string | number>>> = {
  requestNumber: fc.integer({ min: 0, max: 9999 }),
  volume,
  wanted: volume,
  device,
  reel: fc.integer({ min: 0, max: 9999 }),
  density: fc.constantFrom(800, 1600, 6250),
  comment,
  user: fc.tuple(name, word(1, 6)).map(([node, process]) => `\\${node}.$${process}`),
};

/** An event of any row of the table: its places filled, what may be missing there or not. */
const zsvrEvent: fc.Arbitrary<ZsvrEvent> = fc
  .constantFrom(...ZSVR_EVENTS)
  .chain(({ template, fixed }) => {
    const names = [...template.matchAll(/<(\w+)>/g)].map((match) => match[1] ?? '');
    const optional = new Set(
      [...template.matchAll(/\[[^\]]*<(\w+)>[^\]]*\]/g)].map((match) => match[1]),
    );
    const arbitraries = Object.fromEntries(
      names.map((field) => [field, FIELDS[field] ?? fc.constant('')]),
    );
    return fc
      .record(arbitraries, { requiredKeys: names.filter((field) => !optional.has(field)) })
      .map((fields) => ({ ...fields, ...fixed }) as unknown as ZsvrEvent);
  });

const distributorEvent: fc.Arbitrary<DistributorEvent> = fc
  .record({
    seconds: fc.integer({ min: 0, max: 3_124_223_999 }),
    node: name.map((text) => `\\${text}`),
    process: fc.oneof(
      word(1, 5).map((text) => `$${text}`),
      fc.constant('02,171'),
    ),
    subsystem: fc.tuple(word(1, 8), word(1, 8), word(1, 3)).map((parts) => parts.join('.')),
    critical: fc.boolean(),
    eventNumber: fc.integer({ min: 0, max: 999_999 }),
    words: fc.array(
      fc.string({ minLength: 1, maxLength: 90 }).map((text) => text.replaceAll(/[^!-~]/g, 'x')),
      { maxLength: 30 },
    ),
  })
  .map(({ seconds, critical, words, ...rest }) => ({
    ...rest,
    localTimeMs: seconds * 1000,
    ...(critical ? { critical } : {}),
    text: words.join(' '),
  }));

/** Lines that are neither header nor continuation. */
const rubbish = fc.string({ maxLength: 200 }).map((text) => `#${text.replaceAll(/[^ -~]/g, '?')}`);

const readySession = (): TaclSession => {
  const session = new TaclSession({ user: 'U', password: 'P', collector: '$0' });
  session.receive(encodeAscii('TACL 1> '));
  session.receive(encodeAscii('Password: '));
  session.receive(encodeAscii('\r\nTACL 2> '));
  session.idle();
  expect(session.state).toBe('ready');
  return session;
};

const eventsOf = (effects: readonly SessionEffect[]): DistributorEvent[] =>
  effects.flatMap((effect) => (effect.kind === 'event' ? [effect.event] : []));

/** `bytes` in pieces that end at the given places. */
function cutUp(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length];
  ends.sort((left, right) => left - right);
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

describe('EMS', () => {
  it('a $ZSVR event reads back from its text', () => {
    fc.assert(
      fc.property(zsvrEvent, (event) => {
        const { eventNumber, text } = formatZsvrEvent(event);
        expect(parseZsvrEvent(eventNumber, text)).toStrictEqual(event);
      }),
      { ...RUNS, numRuns: 3000 },
    );
  });

  it('events read back from the lines of the distributor, with rubbish between them', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(distributorEvent, fc.array(rubbish, { maxLength: 3 }))),
        (list) => {
          const parser = new DistributorParser();
          const lines = list.flatMap(([event, noise]) => [
            ...formatDistributorLines(event).split('\r\n').slice(0, -1),
            ...noise,
          ]);
          const read = [...lines.flatMap((line) => parser.push(line)), ...parser.flush()];
          expect(read).toStrictEqual(list.map(([event]) => event));
        },
      ),
      RUNS,
    );
  });

  it('a $ZSVR event survives the whole way: text, lines, bytes, session, text', () => {
    fc.assert(
      fc.property(zsvrEvent, distributorEvent, (event, { localTimeMs, node }) => {
        const lines = formatDistributorLines({
          localTimeMs,
          node,
          process: '$ZSVR',
          subsystem: 'TANDEM.ZSVR.H06',
          ...formatZsvrEvent(event),
        });
        const session = readySession();
        const effects = [...session.receive(encodeAscii(lines)), ...session.idle()];
        expect(eventsOf(effects).map((e) => parseZsvrEvent(e.eventNumber, e.text))).toStrictEqual([
          event,
        ]);
      }),
      RUNS,
    );
  });

  it('any cut of the bytes gives the same effects, from the greeting on', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            distributorEvent.map(formatDistributorLines),
            rubbish.map((r) => `${r}\r\n`),
          ),
        ),
        fc.array(fc.nat({ max: 100_000 }), { maxLength: 20 }),
        fc.boolean(),
        (texts, places, ended) => {
          const bytes = Uint8Array.from([
            ...encodeAscii('HELLO\r\nEnter Choice> \r\nTACL 1> '),
            255,
            253,
            1,
            255,
            251,
            6,
            ...encodeAscii('Password: \r\nTACL 2> '),
            ...encodeAscii(texts.join('')),
            ...encodeAscii(ended ? 'TACL 3> x' : ''),
          ]);
          const run = (pieces: readonly Uint8Array[]): SessionEffect[] => {
            const session = new TaclSession({ user: 'U', password: 'P', collector: '$0' });
            return [...pieces.flatMap((piece) => session.receive(piece)), ...session.idle()];
          };
          expect(run(cutUp(bytes, places))).toStrictEqual(run([bytes]));
          expect(run(Array.from(bytes, (byte) => Uint8Array.of(byte)))).toStrictEqual(run([bytes]));
        },
      ),
      { ...RUNS, numRuns: 200 },
    );
  });

  it('an event is read after any rubbish that ends with a line end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), distributorEvent, (bytes, event) => {
        const session = readySession();
        // Telnet's own bytes may swallow what follows them, and are left out here.
        const noise = bytes.filter((byte) => byte !== 255);
        const before = session.receive(Uint8Array.from([...noise, 0x0a]));
        if (session.state === 'failed') return;
        session.idle();
        const after = session.receive(
          encodeAscii(formatDistributorLines(event) + formatDistributorLines(event)),
        );
        expect(eventsOf(after).slice(-1)).toStrictEqual([event]);
        expect(eventsOf(before)).toStrictEqual([]);
      }),
      RUNS,
    );
  });

  it('arbitrary bytes throw nothing at either end of a session', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5000 }), (bytes) => {
        for (const session of [
          readySession(),
          new TaclSession({ user: 'U', password: 'P', collector: '$0' }),
        ]) {
          session.receive(bytes);
          session.idle();
        }
        const host = new TaclHostSession({ node: '\\LAB', user: 'U', password: 'P' });
        host.start();
        host.receive(bytes);
        host.emit('x');
      }),
      RUNS,
    );
  });

  it('arbitrary text is an event or none, and throws nothing', () => {
    fc.assert(
      fc.property(fc.integer({ min: 590, max: 670 }), fc.string(), (eventNumber, text) => {
        parseZsvrEvent(eventNumber, text);
        parseZsvrEvent(eventNumber, `$ZSVR: 0001 ${text}`);
        const parser = new DistributorParser();
        parser.push(text);
        parser.push(`        ${text}`);
        parser.flush();
      }),
      { ...RUNS, numRuns: 2000 },
    );
  });
});
