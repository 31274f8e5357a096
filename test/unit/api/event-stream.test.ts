/** Live events: form, resumption without loss or repetition, heartbeats, slow readers, rights. */
import { beforeEach, describe, expect, it } from 'vitest';
import { API_LIMITS } from '../../../src/api/limits.ts';
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
    expect(await reader.text()).toBe('retry: 2000\n\n');
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
    expect(await reader.text()).toBe('retry: 2000\n\n: alive\n\n: alive\n\n');
  });

  it('ends within a heartbeat when its reader has logged off', async () => {
    await open();
    await api.answer('DELETE /api/v1/session', { headers: ada });
    await api.bench.world.advance(API_LIMITS.heartbeatIntervalMs + 10);
    expect(api.dropCount).toBe(1);
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
