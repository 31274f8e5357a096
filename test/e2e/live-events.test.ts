/** Live events over real sockets: resumption across a restart, rights on replay, slow readers, the end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { killAtExit } from '../../harness/rig/child-process.ts';
import { CAPSTAN } from '../../harness/rig/serve-process.ts';
import { Api } from '../../src/api/app.ts';
import { EventParser } from '../../src/api/event-parser.ts';
import type { ParsedEvent } from '../../src/api/event-parser.ts';
import { API_LIMITS } from '../../src/api/limits.ts';
import type { StreamEvent } from '../../src/api/stream-events.ts';
import { openHttp } from '../../src/platform/http-client.ts';
import type { HttpPlace } from '../../src/platform/http-client.ts';
import { listenHttp } from '../../src/platform/http-server.ts';
import { systemClock } from '../../src/platform/system-clock.ts';
import { sleep } from '../../src/ports/clock.ts';
import { localPrincipal } from '../../src/server/access.ts';
import type { ServerEvent } from '../../src/server/context.ts';
import { PASSWORD, WAIT, bearer, serve, tokenOf, withSite } from './api-site.ts';
import type { Site } from './api-site.ts';

interface Reading {
  readonly place: HttpPlace;
  readonly token?: string;
  readonly query?: string;
  readonly lastEventId?: string | undefined;
}

/** A stream's events as they come, to its end. */
async function* eventsOf({ place, token, query = '', lastEventId }: Reading) {
  const answer = await openHttp(place, {
    method: 'GET',
    target: `/api/v1/events/stream${query}`,
    headers: {
      ...(token !== undefined && bearer(token).headers),
      ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
    },
  });
  expect(answer.statusCode).toBe(200);
  const parser = new EventParser();
  for await (const part of answer.setEncoding('utf8') as AsyncIterable<string>) {
    yield* parser.push(part);
  }
}

/** Reads until an event has the text, and leaves. */
async function eventsUntil(reading: Reading, text: string): Promise<readonly ParsedEvent[]> {
  const events: ParsedEvent[] = [];
  for await (const event of eventsOf(reading)) {
    events.push(event);
    if (event.data.includes(text)) return events;
  }
  throw new Error(`the stream ended without "${text}"`);
}

async function allOf(reading: Reading): Promise<readonly ParsedEvent[]> {
  const events: ParsedEvent[] = [];
  for await (const event of eventsOf(reading)) events.push(event);
  return events;
}

const bodyOf = ({ data }: ParsedEvent): StreamEvent => JSON.parse(data) as StreamEvent;

/** Texts of the entries of the event log, but of who came and went. */
const textsOf = (events: readonly ParsedEvent[]): readonly string[] =>
  events
    .map(bodyOf)
    .flatMap((event) => (event.kind === 'event-logged' ? [event.row.text] : []))
    .filter((text) => !/logged|listens/.test(text));

const makePool = ({ local }: Site, name: string, vault = 'VAULT00') =>
  local.call('pool.create', { name, vault });

describe('live events', { timeout: 120_000 }, () => {
  it('go on where they were when the server comes back, and say why they end', () =>
    withSite(async (site) => {
      await makePool(site, 'P');
      const token = await tokenOf(site, 'ada');
      const { place } = site;
      const first = eventsUntil({ place, token, lastEventId: '0' }, 'Cartridge T00001 created');
      await site.local.call('tape.create', { name: 'T00001', pool: 'P' });
      const lastEventId = (await first).at(-1)?.id;
      const open = allOf({ place, token });
      await sleep(systemClock, 200);
      await site.local.call('tape.create', { name: 'T00002', pool: 'P' });
      const beganMs = systemClock.monotonicMs();
      expect(await site.process.end('SIGTERM')).toEqual({ code: 0, signal: null });
      expect(systemClock.monotonicMs() - beganMs).toBeLessThan(5000);
      const last = (await open).at(-1);
      expect(last && bodyOf(last)).toMatchObject({ kind: 'stream-closing', why: 'server-stops' });
      const again = await serve(site.home);
      try {
        const resumed = eventsUntil({ place: again.place, token, lastEventId }, 'T00003');
        await again.local.call('tape.create', { name: 'T00003', pool: 'P' });
        const events = await resumed;
        expect(bodyOf(events[0] as ParsedEvent)).toMatchObject({
          kind: 'events-missed',
          why: 'not-kept',
          kinds: expect.arrayContaining(['mounted', 'copy-finished']),
        });
        expect(textsOf(events)).toEqual([
          'Cartridge T00002 created in Pool P',
          'TapeServer east stopped',
          'TapeServer east started',
          'Cartridge T00003 created in Pool P',
        ]);
        const ids = events.map(({ id }) => Number(id));
        expect(ids).toEqual(ids.toSorted((one, other) => one - other));
      } finally {
        await again.process.end('SIGTERM');
      }
    }));

  it('have what a user of one vault may see, live and again, and no more', () =>
    withSite(async (site, folder) => {
      const { local, place } = site;
      await local.call('vault.create', { name: 'SECRET', path: join(folder, 'secret') });
      await local.call('user.create', { name: 'carl', group: 'Operations', password: PASSWORD });
      await local.call('user.set', { name: 'carl', vaults: ['VAULT00'] });
      const right = 'access-to-all-vaults';
      await local.call('access.revoke', { group: 'Operations', right });
      const token = await tokenOf(site, 'carl');
      const live = eventsUntil({ place, token, lastEventId: '0' }, 'Pool LAST created');
      await makePool(site, 'HIDDEN', 'SECRET');
      await makePool(site, 'SEEN');
      await makePool(site, 'LAST');
      const replayed = eventsUntil({ place, token, lastEventId: '0' }, 'Pool LAST created');
      for (const events of [await live, await replayed]) {
        const text = textsOf(events).join('\n');
        expect(text).toContain('Pool SEEN created');
        expect(text).not.toContain('HIDDEN');
        expect(text).not.toContain('SECRET');
      }
      const all = await eventsUntil(
        { place, token: await tokenOf(site, 'ada'), lastEventId: '0' },
        'Pool LAST created',
      );
      expect(textsOf(all).join('\n')).toContain('Pool HIDDEN created');
    }));

  it('are followed by the command line over a restart, each once', () =>
    withSite(async ({ home, local, process: first }) => {
      const child = spawn(process.execPath, [CAPSTAN, 'events', '--follow', '--home', home]);
      killAtExit(child);
      let stdout = '';
      let stderr = '';
      child.stdout.on('data', (text) => (stdout += String(text)));
      child.stderr.on('data', (text) => (stderr += String(text)));
      await expect.poll(() => stdout, WAIT).toContain('TapeServer east started');
      await local.call('pool.create', { name: 'P', vault: 'VAULT00' });
      await expect.poll(() => stdout, WAIT).toContain('Pool P created');
      await first.end('SIGTERM');
      await expect.poll(() => stderr, WAIT).toContain('Trying again until interrupted.');
      const again = await serve(home);
      try {
        await again.local.call('pool.create', { name: 'Q', vault: 'VAULT00' });
        await expect.poll(() => stdout, WAIT).toContain('Pool Q created');
        expect(stdout.match(/Pool P created/g)).toHaveLength(1);
        expect(stdout).toContain('TapeServer east stopped');
        expect(stderr).toContain('connected again');
        const closed = once(child, 'close');
        child.kill('SIGINT');
        await closed;
      } finally {
        await again.process.end('SIGTERM');
      }
    }));
});

describe('a reader that takes nothing', { timeout: 60_000 }, () => {
  it('is dropped at the limit, costs no more, and another goes on', async () => {
    const told: string[] = [];
    const listeners = new Set<(event: ServerEvent) => void>();
    const api = new Api({
      server: {
        operations: {
          call: () => Promise.resolve([]),
          callAs: () => Promise.resolve([]),
        } as never,
        onEventFor: (_, listener) => {
          listeners.add(listener);
          return () => listeners.delete(listener);
        },
        eventLog: { report: (message: string) => told.push(message) } as never,
      },
      access: {} as never,
      clock: systemClock,
      version: '0.0.0',
      onFault: (error) => told.push(String(error)),
    });
    const local = localPrincipal('root');
    const server = await listenHttp({
      where: { address: '127.0.0.1', port: 0 },
      limits: API_LIMITS,
      fetch: (request, peer) => api.fetch(request, { ...peer, local }),
    });
    const port = server.endpoint?.port ?? 0;
    try {
      const stalled = connect(port, '127.0.0.1').pause();
      stalled.on('error', () => {});
      stalled.write('GET /api/v1/events/stream HTTP/1.1\r\nHost: x\r\n\r\n');
      const place = { url: new URL(`http://127.0.0.1:${port}`) };
      const good = allOf({ place });
      await expect.poll(() => listeners.size).toBe(2);
      const text = 'x'.repeat(1000);
      let count = 0;
      // What the kernel and the connection hold comes before the limit.
      while (told.length === 0 && count < 40 * API_LIMITS.streamBacklogMax) {
        for (let each = 0; each < 500; each += 1) {
          for (const listener of listeners) listener({ kind: 'ems-line', host: '\\LAB', text });
        }
        count += 500;
        await sleep(systemClock, 1);
      }
      expect(told).toEqual(['API_READER_DROPPED']);
      expect(listeners.size).toBe(1);
      await api.close();
      const events = await good;
      expect(events).toHaveLength(count + 1);
      expect(events.at(-1)?.event).toBe('stream-closing');
      stalled.destroy();
    } finally {
      await server.close();
    }
  });
});
