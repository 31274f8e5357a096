import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openCatalog } from '../../../src/catalog/sqlite-catalog.ts';
import type { EventFilter } from '../../../src/ports/catalog.ts';
import {
  SEVERITY_ORDER,
  parseEventTime,
  passes,
  severitiesFrom,
} from '../../../src/server/event-filter.ts';

const messageId = fc.constantFrom('220101', '422102', '440002', '622103');
const user = fc.constantFrom('system', 'mary');
const text = fc.constantFrom(
  'Cartridge LAB001 erased in Pool DAILY',
  'AutoCopy of cartridge LAB0011 to west failed',
  'LAB001',
  'xLAB001',
  'lab001 100%_*[a]?',
);
const event = fc.record({
  atMs: fc.integer({ min: 0, max: 5 }),
  severity: fc.constantFrom(...SEVERITY_ORDER),
  messageId,
  address: fc.constant('127.0.0.1'),
  user,
  program: fc.constant(''),
  text,
});
const filter: fc.Arbitrary<EventFilter> = fc.record(
  {
    severities: fc.subarray([...SEVERITY_ORDER]),
    subsystem: fc.constantFrom('20', '22', '40'),
    messageId,
    tape: fc.constantFrom('LAB001', 'LAB0011', 'DAILY'),
    user,
    text: fc.constantFrom('lab001', 'WEST', '%', '_', '*', '[a]', '?', ''),
    sinceMs: fc.integer({ min: 0, max: 5 }),
    untilMs: fc.integer({ min: 0, max: 5 }),
  },
  { requiredKeys: [] },
);

describe('a filter of the event log', () => {
  it('chooses the same entries in the catalog and on the way', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(event, { maxLength: 30 }),
        fc.array(filter, { minLength: 5, maxLength: 5 }),
        fc.integer({ min: 1, max: 10 }),
        async (events, filters, limit) => {
          const catalog = openCatalog(':memory:');
          const rows = [];
          for (const each of events) rows.push(await catalog.appendEvent(each));
          for (const where of filters) {
            const expected = rows.filter((row) => passes(row, where));
            expect(await catalog.listEvents({ limit, where })).toEqual(expected.slice(-limit));
            const behind = expected.filter(({ id }) => id > 5).slice(0, limit);
            expect(await catalog.listEvents({ afterId: 5, limit, where })).toEqual(behind);
          }
          await catalog.close();
        },
      ),
      { seed: 43, numRuns: 60 },
    );
  });

  it('of a severity takes the worse ones, too', () => {
    expect(severitiesFrom('ERROR')).toEqual(['ERROR', 'CRITICAL']);
  });

  it('takes times as the lines have them', () => {
    const ms = Date.UTC(2006, 7, 28, 16, 25, 18);
    for (const time of ['2006-08-28 16:25:18', '2006-08-28T16:25:18Z']) {
      expect(parseEventTime(time)).toBe(ms);
    }
    expect(parseEventTime('2006-08-28 16:25')).toBe(ms - 18_000);
    expect(parseEventTime('2006-08-28')).toBe(Date.UTC(2006, 7, 28));
    for (const wrong of ['', 'yesterday', '2006-02-30', '2006-08-28 25:00', '2006-08-28 16']) {
      expect(() => parseEventTime(wrong)).toThrow('is refused: it is no time');
    }
  });
});
