/** Live events: form, resumption without loss or repetition, heartbeats, slow readers, rights. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { EventStream } from '../../../src/api/event-stream.ts';
import { API_LIMITS } from '../../../src/api/limits.ts';
import { EVENT_KINDS, STREAM_KINDS } from '../../../src/api/stream-events.ts';
import { ApiBench } from './api-bench.ts';

const STREAM = 'GET /api/v1/events/stream';
let api: ApiBench;
let ada: { authorization: string };

beforeEach(async () => {
  api = await ApiBench.start();
  ada = await api.as('ada');
});

interface Reader {
  /** All that has come so far. */
  text(): Promise<string>;
  cancel(): Promise<void>;
}

async function open(call = STREAM, headers: Record<string, string> = {}): Promise<Reader> {
  const response = await api.raw(call, { headers: { ...ada, ...headers } });
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  const reader = response.body?.getReader();
  if (reader === undefined) throw new Error('a stream has a body');
  let text = '';
  const read = async (): Promise<void> => {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      text += Buffer.from(value).toString();
    }
  };
  let reading: Promise<void> | undefined;
  return {
    text: async () => {
      reading ??= read();
      await api.bench.world.advance(1);
      return text;
    },
    cancel: () => reader.cancel(),
  };
}

const logged = (text: string): readonly string[] =>
  [...text.matchAll(/^id: (\d+)\nevent: event-logged$/gm)].map((match) => match[1] ?? '');
const kinds = (text: string): readonly string[] =>
  [...text.matchAll(/^event: (\S+)$/gm)].map((match) => match[1] ?? '');

describe('a stream of events', () => {
  it('tells what happens from now on, with the number of what is logged', async () => {
    const reader = await open();
    expect(await reader.text()).toMatch(/^id: \d+\nretry: 2000\n\n$/);
    await api.bench.request('LAB001');
    const text = await reader.text();
    expect(kinds(text)).toEqual(expect.arrayContaining(['ems-line', 'event-logged', 'mounted']));
    const [data = ''] = /^data: .*"kind":"mounted".*$/m.exec(text) ?? [];
    expect(JSON.parse(data.slice('data: '.length))).toMatchObject({
      kind: 'mounted',
      mount: { tape: 'LAB001', drive: 'VTD01' },
    });
    expect(text.endsWith('\n\n')).toBe(true);
  });

  it('tells only the kinds asked for', async () => {
    const reader = await open(`${STREAM}?kinds=mounted,dismounted`);
    await api.bench.backUp(1);
    expect(kinds(await reader.text())).toEqual(['mounted', 'dismounted']);
  });

  it('resumes behind the last event that the reader had, with nothing lost or twice', async () => {
    const first = await open();
    await api.bench.backUp(1);
    const seen = logged(await first.text());
    await first.cancel();
    await api.bench.backUp(2);
    const [half = '0'] = seen;
    const second = await open(STREAM, { 'last-event-id': half });
    await api.bench.backUp(3);
    const ids = logged(await second.text());
    const rows = await api.bench.east.catalog.listEvents({ afterId: Number(half), limit: 1000 });
    expect(ids).toEqual(rows.map((row) => String(row.id)));
    expect(ids.length).toBeGreaterThan(3);
  });

  it('resumes by pages without a gap, also with what happens meanwhile', async () => {
    const { catalog } = api.bench.east;
    const row = { atMs: 0, severity: 'INFO', messageId: '220130', address: '', user: '' } as const;
    for (let count = 0; count < 2 * API_LIMITS.resumePageCount; count += 1) {
      await catalog.appendEvent({ ...row, program: '', text: 'x' });
    }
    const reader = await open(STREAM, { 'last-event-id': '0' });
    await api.bench.east.call('tape.create', { name: 'NEW001', pool: 'POOL1' });
    const ids = logged(await reader.text());
    const rows = await catalog.listEvents({ afterId: 0, limit: 10_000 });
    expect(ids).toEqual(rows.map((each) => String(each.id)));
  });

  it('says that it is alive while nothing happens', async () => {
    const reader = await open(`${STREAM}?kinds=mounted`);
    await reader.text();
    await api.bench.world.advance(2 * API_LIMITS.heartbeatIntervalMs + 10);
    expect(await reader.text()).toMatch(/^id: \d+\nretry: 2000\n\n: alive\n\n: alive\n\n$/);
  });

  it('ends within a heartbeat when its reader has logged off, and says so', async () => {
    const silent = await open();
    const reader = await open();
    await reader.text();
    await api.answer('DELETE /api/v1/session', { headers: ada });
    await api.bench.world.advance(API_LIMITS.heartbeatIntervalMs + 10);
    expect(await reader.text()).toContain('"kind":"stream-closing","why":"not-allowed"');
    expect(api.dropCount).toBe(0);
    // Who does not take it is dropped a while later.
    await api.bench.world.advance(API_LIMITS.streamClosingTimeoutMs);
    expect(api.dropCount).toBe(1);
    expect(await silent.text()).toBe('');
  });

  it('shows no entry of the log from when its reader may not see them any more', async () => {
    const reader = await open();
    await api.bench.east.call('tape.create', { name: 'NEW001', pool: 'POOL1' });
    expect(await reader.text()).toContain('NEW001');
    api.access.rights.set('ada', ['view-system-status', 'vault-access']);
    await api.bench.world.advance(API_LIMITS.heartbeatIntervalMs + 10);
    await api.bench.east.call('tape.create', { name: 'NEW002', pool: 'POOL1' });
    expect(await reader.text()).not.toContain('NEW002');
    api.access.rights.set('ada', ['view-log-files']);
    await api.bench.world.advance(API_LIMITS.heartbeatIntervalMs + 10);
    expect(await reader.text()).toContain('"why":"not-allowed"');
  });

  it('says what a reader that comes again missed and cannot be told', async () => {
    await api.bench.backUp(1);
    const missed = (text: string): readonly unknown[] =>
      [...text.matchAll(/^event: events-missed\ndata: (.*)$/gm)].map(({ 1: data = '' }) =>
        JSON.parse(data),
      );
    const asked = ['mounted', 'copy-finished'];
    const notKept = { kind: 'events-missed', why: 'not-kept', kinds: asked };
    const fresh = await open(`${STREAM}?kinds=mounted,copy-finished`);
    expect(missed(await fresh.text())).toEqual([]);
    const again = await open(`${STREAM}?kinds=mounted,copy-finished`, { 'last-event-id': '1' });
    expect(missed(await again.text())).toEqual([notKept]);
    const log = await open(`${STREAM}?kinds=event-logged`, { 'last-event-id': '1' });
    expect(missed(await log.text())).toEqual([]);
  });

  it('tells a reader of another log so, and goes on with what is new', async () => {
    const reader = await open(`${STREAM}?kinds=event-logged`, { 'last-event-id': '999999' });
    const text = await reader.text();
    expect(text).toMatch(/"why":"other-log","lastEventId":999999,"newestId":\d+\}/);
    expect(logged(text)).toEqual([]);
    await api.bench.east.call('tape.create', { name: 'NEW001', pool: 'POOL1' });
    expect(await reader.text()).toContain('NEW001');
  });

  it('drops a reader that is too far behind, and not before', async () => {
    const reader = await open();
    const tell = (count: number): void => {
      for (let each = 0; each < count; each += 1) {
        api.tell({ kind: 'ems-line', host: '\\LAB', text: 'x' });
      }
    };
    // What it says at first is one of them.
    tell(API_LIMITS.streamBacklogMax - 1);
    expect(api.dropCount).toBe(0);
    tell(1);
    expect(api.dropCount).toBe(1);
    expect(await reader.text()).toBe('');
    expect(await api.bench.east.log('450103')).toEqual([
      `Event stream of ada was dropped: its reader was ${API_LIMITS.streamBacklogMax} events behind`,
    ]);
  });

  it('has only what its reader may see', async () => {
    const bob = await api.as('bob');
    const reader = await open(STREAM, bob);
    await api.bench.request('LAB001');
    const text = await reader.text();
    expect(kinds(text)).toContain('mounted');
    expect(kinds(text)).not.toContain('event-logged');
    const asked = await api.answer(`${STREAM}?kinds=event-logged`, { headers: bob });
    expect(asked.status).toBe(403);
  });

  it.each([
    ['?kind=mounted', {}],
    ['?kinds=', {}],
    ['?kinds=A', {}],
    ['?kinds=mounted,nonsense', {}],
    ['?kinds=constructor', {}],
    ['?afterId=-1', {}],
    ['', { 'last-event-id': 'x' }],
  ])('is refused where it is asked for wrongly: %s %o', async (query, headers: object) => {
    const answer = await api.answer(STREAM + query, { headers: { ...ada, ...headers } });
    expect(answer.status).toBe(400);
  });

  it('is had by so many readers and no more', async () => {
    const readers: Reader[] = [];
    for (let count = 0; count < API_LIMITS.streamCountMax; count += 1) readers.push(await open());
    expect((await api.answer(STREAM, { headers: ada })).status).toBe(503);
    await readers[0]?.cancel();
    await open();
  });
});

describe('the page on the API', () => {
  it('has every kind of event with its meaning', async () => {
    const page = await readFile(
      join(import.meta.dirname, '../../../docs/reference/api.md'),
      'utf8',
    );
    const rows = [...page.matchAll(/^\| `([a-z-]+)` \| (.*) \|$/gm)];
    const table = new Map(rows.map(({ 1: kind = '', 2: what = '' }) => [kind, what]));
    for (const [kind, what] of Object.entries({ ...EVENT_KINDS, ...STREAM_KINDS })) {
      expect(table.get(kind), kind).toBe(what);
    }
  });
});

describe('a stream over a log that was cut', () => {
  it('says from where to where entries are missing, and tells the rest', async () => {
    const row = { atMs: 0, severity: 'INFO', messageId: '220130', text: 'x' } as const;
    const rows = [8, 9].map((id) => ({ ...row, id, address: '', user: '', program: '' }));
    const stream = new EventStream({
      clock: api.bench.world.clock,
      wants: (kind) => kind === 'event-logged',
      lastEventId: 3,
      newestId: 9,
      onEvent: () => () => {},
      listEvents: () => Promise.resolve(rows),
      oldestId: () => Promise.resolve(8),
      check: () => Promise.resolve(),
      onTooSlow: () => {},
      drop: () => {},
      onEnd: () => {},
    });
    const reader = stream.body.getReader();
    let text = '';
    while (!text.includes('id: 9')) {
      const { value } = await reader.read();
      text += Buffer.from(value ?? []).toString();
    }
    const data = '{"kind":"events-missed","why":"put-by","afterId":3,"beforeId":8}';
    expect(text).toContain(`id: 3\nevent: events-missed\ndata: ${data}\n\nid: 8\n`);
  });
});
