import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EventRow } from '../../../src/ports/catalog.ts';
import {
  EVENT_LINE_LIMITS,
  formatEventLine,
  parseEventLine,
} from '../../../src/server/event-line.ts';
import { EventLog } from '../../../src/server/event-log.ts';
import { EVENT_MESSAGES } from '../../../src/server/event-messages.ts';

const AT_MS = Date.UTC(2006, 7, 28, 16, 25, 18);
const NAMES = { systemId: '5900-E', serverName: 'Tapeserver01' };
const THE_LINE =
  '2006-08-28 16:25:18|WARNING|440002|5900-E|127.0.0.1|Tapeserver01|administrator||' +
  'Access Control RESTORE OPEN defaults have been restored';

const ROW: EventRow = {
  id: 1,
  atMs: AT_MS,
  severity: 'WARNING',
  messageId: '440002',
  address: '127.0.0.1',
  user: 'administrator',
  program: '',
  text: 'Access Control RESTORE OPEN defaults have been restored',
};

/** A log into an array; `fail` makes the catalog refuse. */
function newLog(): {
  log: EventLog;
  rows: EventRow[];
  told: EventRow[];
  lost: unknown[];
  fail: (error: Error) => void;
} {
  const rows: EventRow[] = [];
  const told: EventRow[] = [];
  const lost: unknown[] = [];
  let failure: Error | undefined;
  const log = new EventLog({
    catalog: {
      appendEvent: (event) => {
        if (failure !== undefined) return Promise.reject(failure);
        const { about: _, ...kept } = event;
        const row = { ...kept, id: rows.length + 1 };
        rows.push(row);
        return Promise.resolve(row);
      },
    },
    clock: { nowMs: () => AT_MS },
    settings: { address: '10.0.0.9' },
    onLogged: (row) => told.push(row),
    onLost: (event, error) => lost.push([event.messageId, error]),
  });
  return {
    log,
    rows,
    told,
    lost,
    fail: (error) => {
      failure = error;
    },
  };
}

describe('The event log', () => {
  it("writes the product's line", async () => {
    const { log } = newLog();
    const row = await log.log(
      'ACCESS_DEFAULTS_RESTORED',
      { kind: 'OPEN' },
      { address: '127.0.0.1', user: 'administrator' },
    );
    expect(formatEventLine(row, NAMES)).toBe(THE_LINE);
    expect(parseEventLine(THE_LINE)).toEqual({ ...ROW, ...NAMES, id: undefined });
  });

  it('fills in the fields and takes the severity from the number', async () => {
    const { log, rows, told } = newLog();
    const row = await log.log('COPY_FAILED', {
      tape: 'LAB001',
      target: 'west',
      attempts: 12,
      reason: 'west cannot be reached: connection refused.',
    });
    expect(row).toEqual({
      id: 1,
      atMs: AT_MS,
      severity: 'ERROR',
      messageId: '622103',
      address: '10.0.0.9',
      user: 'system',
      program: '',
      text: 'AutoCopy of cartridge LAB001 to west failed after 12 attempts: west cannot be reached: connection refused.',
    });
    expect(rows).toEqual([row]);
    expect(told).toEqual([row]);
  });

  it('makes an entry without writing it, for a transaction of the catalog', () => {
    const { log, rows } = newLog();
    const entry = log.entry('SERVER_STARTED', { server: 'east' });
    expect(entry).toMatchObject({ messageId: '220130', text: 'TapeServer east started' });
    expect(rows).toEqual([]);
  });

  it('strips bars and control characters of what came from outside, and does not fill in twice', () => {
    const { log } = newLog();
    const { text, user } = log.entry(
      'REPLICATION_ENDED',
      { peer: 'we|st\r\n2006-08-28 16:25:18|INFO', reason: '{peer} \u001b[2J\u00e9 end' },
      { user: 'ro|ot\n' },
    );
    expect(text).toBe(
      'Replication connection with we st 2006-08-28 16:25:18 INFO ended: {peer} [2J end',
    );
    expect(user).toBe('ro ot');
  });

  it('cuts what is too long, and the end of the text first', () => {
    const { log } = newLog();
    const entry = log.entry(
      'EMS_SESSION_LOST',
      { host: '\\LAB', reason: 'x'.repeat(1_000_000) },
      { address: '2001:db8::ff00:42:8329', user: 'a-very-long-user-name', program: 'p'.repeat(99) },
    );
    expect(entry.text).toHaveLength(177);
    expect(entry.text).toMatch(/^EMS session with \\LAB lost: x+$/);
    expect([entry.address, entry.user, entry.program].map((field) => field.length)).toEqual([
      15, 15, 15,
    ]);
    const line = formatEventLine(
      { ...entry, id: 1 },
      { systemId: 'S'.repeat(9), serverName: 'N'.repeat(99) },
    );
    expect(line).toHaveLength(EVENT_LINE_LIMITS.line);
    expect(parseEventLine(line)).toMatchObject({ systemId: 'SSSSSSS', serverName: 'N'.repeat(15) });
  });

  it('rejects as the catalog does', async () => {
    const { log, fail } = newLog();
    fail(new Error('full'));
    await expect(log.log('SERVER_STARTED', { server: 'east' })).rejects.toThrow('full');
  });

  it('hands on an entry that nobody waits for and that could not be kept', async () => {
    const { log, fail, lost } = newLog();
    const error = new Error('full');
    fail(error);
    log.report('SERVER_STARTED', { server: 'east' });
    await new Promise((resolve) => setImmediate(resolve));
    expect(lost).toEqual([['220130', error]]);
  });
});

describe('An event line', () => {
  it('reads back whatever is written', () => {
    const text = (maxLength: number): fc.Arbitrary<string> =>
      fc.string({ maxLength, unit: 'binary' });
    fc.assert(
      fc.property(
        fc.record({
          id: fc.constant(1),
          seconds: fc.integer({ min: 0, max: 4_102_444_800 }),
          messageId: fc.constantFrom(...Object.values(EVENT_MESSAGES).map(({ id }) => id)),
          address: text(30),
          user: text(30),
          program: text(30),
          text: text(400),
        }),
        text(20),
        text(40),
        ({ seconds, ...fields }, systemId, serverName) => {
          const severity = ({ 2: 'INFO', 4: 'WARNING', 6: 'ERROR', 8: 'CRITICAL' } as const)[
            Number(fields.messageId.charAt(0)) as 2 | 4 | 6 | 8
          ];
          const row: EventRow = { ...fields, severity, atMs: seconds * 1000 };
          const line = formatEventLine(row, { systemId, serverName });
          expect(line.length).toBeLessThanOrEqual(255);
          expect(line).toMatch(/^[ -~]*$/);
          const parsed = parseEventLine(line);
          expect(parsed).toMatchObject({ atMs: row.atMs, severity, messageId: row.messageId });
          if (parsed === undefined) return;
          expect(formatEventLine({ ...parsed, id: 1 }, parsed)).toBe(line);
        },
      ),
      { numRuns: 500, seed: 440_002 },
    );
  });

  it.each([
    '',
    THE_LINE.replace('WARNING', 'INFO'),
    THE_LINE.replace('440002', '440'),
    THE_LINE.replace('440002', '940002'),
    THE_LINE.replace('28', '32'),
    THE_LINE.replace('5900-E', '5900-EEE'),
    THE_LINE.replace('|administrator||', '|'),
    `${THE_LINE}|`,
    THE_LINE + 'x'.repeat(177),
  ])('"%s" is none', (line) => {
    expect(parseEventLine(line)).toBeUndefined();
  });
});

/** The sections of docs/reference/events.md: `## NUMBER SEVERITY` and its labelled lines. */
function documented(): Map<string, Record<string, string>> {
  const markdown = readFileSync(
    new URL('../../../docs/reference/events.md', import.meta.url),
    'utf8',
  );
  const entries = new Map<string, Record<string, string>>();
  for (const section of markdown.split(/^### /m).slice(1)) {
    const [heading = '', ...lines] = section.split('\n');
    const [id = '', severity = ''] = heading.trim().split(' ');
    const entry: Record<string, string> = { severity };
    let label = '';
    for (const line of lines) {
      if (line.startsWith('#')) break;
      const match = /^- (Text|Meaning|Remedy): (.*)$/.exec(line);
      if (match !== null) label = match[1] ?? '';
      const part = match === null ? line.trim() : (match[2] ?? '');
      if (label !== '' && part !== '') entry[label] = `${entry[label] ?? ''} ${part}`.trim();
    }
    expect(entries.has(id), `${id} stands once`).toBe(false);
    entries.set(id, entry);
  }
  return entries;
}

describe('The catalogue of messages', () => {
  it('has numbers of six digits, each once, with a severity in front', () => {
    const ids = Object.values(EVENT_MESSAGES).map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[2468](20|21|22|23|24|25|26|40|41|50)\d{3}$/);
  });

  it('leaves room in every text for the fields that it takes', () => {
    for (const { text } of Object.values(EVENT_MESSAGES)) {
      expect(text.replaceAll(/\{\w+\}/g, '').length).toBeLessThan(100);
    }
  });

  it('agrees with docs/reference/events.md: every number, severity and text, with meaning and remedy', () => {
    const { log } = newLog();
    const expected = Object.entries(EVENT_MESSAGES).map(([message, { id, text }]) => [
      id,
      log.entry(message as 'SERVER_STARTED', { server: '' }).severity,
      `\`${text}\``,
    ]);
    const found = [...documented()].map(([id, entry]) => [id, entry['severity'], entry['Text']]);
    const byId = (left: readonly unknown[], right: readonly unknown[]): number =>
      String(left[0]).localeCompare(String(right[0]));
    expect(found.toSorted(byId)).toEqual(expected.toSorted(byId));
    for (const [id, entry] of documented()) {
      expect(entry['Meaning'], `the meaning of ${id}`).toMatch(/\w+.*\.$/);
      expect(entry['Remedy'], `the remedy of ${id}`).toMatch(/\w+.*\.$/);
    }
  });
});
