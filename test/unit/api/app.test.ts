/** The API in process: operations, errors, rights, sessions and limits. */
import { beforeEach, describe, expect, it } from 'vitest';
import { COOKIE_HEADER } from '../../../src/api/gate.ts';
import { API_LIMITS } from '../../../src/api/limits.ts';
import { errorOf } from '../../../src/api/problems.ts';
import { API_PREFIX, ROUTES } from '../../../src/api/routes.ts';
import { sleep } from '../../../src/ports/clock.ts';
import { expectAsDescribed } from '../server/as-described.ts';
import { TARGET } from '../server/bench.ts';
import { ADDRESS, ApiBench } from './api-bench.ts';

let api: ApiBench;
let ada: { authorization: string };
let bob: { authorization: string };

beforeEach(async () => {
  api = await ApiBench.start();
  ada = await api.as('ada');
  bob = await api.as('bob');
});

describe('operations', () => {
  it('are called by their routes and answer with JSON', async () => {
    const body = { name: 'NEW001', pool: 'POOL1', capacityBytes: 5_000 };
    const made = await api.answer('POST /api/v1/tapes', { headers: ada, body });
    expect(made.status).toBe(201);
    const shown = await api.answer('GET /api/v1/tapes/NEW001', { headers: ada });
    expect(shown.status).toBe(200);
    expect(shown.headers.get('content-type')).toBe('application/json');
    expect(shown.headers.get('cache-control')).toBe('no-store');
    expect(shown.body).toMatchObject({ name: 'NEW001', capacityBytes: 5_000 });
    const listed = await api.answer('GET /api/v1/tapes?pool=POOL1', { headers: ada });
    expect(listed.body).toMatchObject([{ name: 'LAB001' }, { name: 'LAB002' }, { name: 'NEW001' }]);
    expect((await api.answer('DELETE /api/v1/tapes/NEW001', { headers: ada })).status).toBe(200);
    expect((await api.answer('GET /api/v1/tapes/NEW001', { headers: ada })).status).toBe(404);
  });

  it('result in what the description says', async () => {
    await api.bench.backUp(1);
    await api.bench.request('LAB001');
    await api.bench.request('LAB002');
    const body = { pool: 'POOL1', target: TARGET, targetPool: 'DR' };
    await api.answer('POST /api/v1/autocopy/rules', { headers: ada, body });
    const keys: Readonly<Record<string, string>> = { drive: 'VTD01', vault: 'VAULT00' };
    const names: Readonly<Record<string, string>> = { ...keys, pool: 'POOL1', tape: 'LAB001' };
    const kinds = ['drive', 'vault', 'pool', 'tape', 'mount', 'autocopy', 'events', 'server'];
    for (const { operation, method, path } of ROUTES) {
      if (method !== 'GET' || !kinds.includes(operation.split('.')[0] ?? '')) continue;
      const item = names[operation.split('.')[0] ?? ''] ?? '1';
      const target = `${API_PREFIX}${path.replace(/\{\w+\}/, item)}`;
      const answer = await api.answer(`GET ${target}`, { headers: ada });
      expect(answer.status, operation).toBe(200);
      expectAsDescribed(operation, answer.body);
    }
  });

  it('write into the event log who asked for them, from where and by what', async () => {
    const body = { name: 'NEW001', pool: 'POOL1' };
    await api.answer('POST /api/v1/tapes', { headers: ada, body });
    const headers = { ...ada, 'user-agent': 'capstan/1.0' };
    await api.answer('DELETE /api/v1/tapes/NEW001', { headers });
    const rows = await api.bench.east.catalog.listEvents({ limit: 2 });
    expect(rows).toMatchObject([
      { user: 'ada', address: ADDRESS, program: 'API', text: expect.stringContaining('created') },
      {
        user: 'ada',
        address: ADDRESS,
        program: 'capstan',
        text: expect.stringContaining('deleted'),
      },
    ]);
  });

  it('none but by whom the server knows', async () => {
    for (const { method, path } of ROUTES) {
      const target = path.replaceAll(/\{\w+\}/g, '1');
      for (const headers of [
        {},
        { authorization: 'Bearer guess' },
        { authorization: 'Basic eA==' },
      ]) {
        const { status, headers: sent } = await api.answer(`${method} ${API_PREFIX}${target}`, {
          headers,
        });
        expect(status, path).toBe(401);
        expect(sent.get('www-authenticate')).toBe('Bearer realm="capstan"');
      }
    }
  });

  it('none without its right', async () => {
    const body = { name: 'NEW001', pool: 'POOL1' };
    const refused = await api.answer('POST /api/v1/tapes', { headers: bob, body });
    expect(refused.status).toBe(403);
    expect(refused.body).toMatchObject({ code: 'RIGHT_MISSING', fields: { user: 'bob' } });
    expect((await api.answer('GET /api/v1/tapes', { headers: bob })).status).toBe(200);
  });

  it('all for the user of the operating system at the control socket', async () => {
    expect((await api.answer('GET /api/v1/tapes', {}, api.peer('local'))).status).toBe(200);
  });
});

describe('failures', () => {
  it('are problems, of which a client makes the very error again', async () => {
    const response = await api.raw('GET /api/v1/tapes/LAB009', { headers: ada });
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    const text = await response.text();
    expect(JSON.parse(text)).toEqual({
      type: 'urn:capstan:problem:NOT_FOUND',
      title: 'Not Found',
      status: 404,
      code: 'NOT_FOUND',
      detail: 'No tape is named LAB009.',
      fields: { kind: 'tape', name: 'LAB009' },
      retryable: false,
    });
    expect(errorOf(404, text)).toMatchObject({
      code: 'NOT_FOUND',
      message: 'No tape is named LAB009.',
    });
    expect(errorOf(502, '<html>').message).toBe('The server answered with 502.');
  });

  it.each([
    ['GET /api/v1/tapes/lab009', {}, 400, 'NAME_INVALID'],
    ['GET /api/v1/tapes?nosuch=1', {}, 400, 'INVALID_ARGUMENT'],
    ['GET /api/v1/tapes?pool=A&pool=B', {}, 400, 'INVALID_ARGUMENT'],
    ['GET /api/v1/events?limit=x', {}, 400, 'INVALID_ARGUMENT'],
    ['POST /api/v1/tapes', { body: '{"name":' }, 400, 'INVALID_ARGUMENT'],
    ['POST /api/v1/tapes', { body: '[1]' }, 400, 'INVALID_ARGUMENT'],
    ['POST /api/v1/tapes', { body: '{"__proto__":{"name":"A"}}' }, 400, 'INVALID_ARGUMENT'],
    ['POST /api/v1/tapes', { body: { name: 'LAB001', pool: 'POOL1' } }, 409, 'ALREADY_EXISTS'],
    [
      'POST /api/v1/tapes',
      { body: '{}', headers: { 'content-type': 'text/plain' } },
      415,
      'INVALID_ARGUMENT',
    ],
    ['POST /api/v1/nosuch', {}, 404, 'NOT_FOUND'],
    ['GET /', {}, 404, 'NOT_FOUND'],
    ['PUT /api/v1/tapes/LAB001', {}, 405, 'INVALID_ARGUMENT'],
    ['GET /api/v1/tapes/../vaults', {}, 200, undefined],
    ['GET /api/v1/tapes/%2e%2e%2fvaults', {}, 400, 'NAME_INVALID'],
  ])('%s %o gives %d', async (call, options: object, status, code) => {
    const given = options as { body?: unknown; headers?: Record<string, string> };
    const answer = await api.answer(call, { ...given, headers: { ...given.headers, ...ada } });
    expect({ status: answer.status, code: answer.body['code'] }).toEqual({ status, code });
  });

  it("of the program's own show nothing of their inside, and are told to the log", async () => {
    api.bench.east.before = (what) => {
      if (what === 'catalog.listVaults') throw new TypeError('secret inside');
    };
    const { status, body } = await api.answer('GET /api/v1/vaults', { headers: ada });
    expect(status).toBe(500);
    expect(JSON.stringify(body)).not.toContain('secret');
    expect(api.faults).toMatchObject([{ message: 'secret inside' }]);
  });
});

describe('a session', () => {
  it('says who one is, and ends', async () => {
    const { body } = await api.answer('GET /api/v1/session', { headers: bob });
    expect(body).toEqual({
      user: 'bob',
      group: 'Operations',
      rights: ['vault-access', 'view-system-status'],
    });
    expect((await api.answer('DELETE /api/v1/session', { headers: bob })).status).toBe(204);
    expect((await api.answer('GET /api/v1/session', { headers: bob })).status).toBe(401);
  });

  it('is not had with a wrong password, and the answer does not quote it', async () => {
    const wrong = { user: 'ada', password: 'hunter2' };
    const { status, body } = await api.answer('POST /api/v1/session', { body: wrong });
    expect(status).toBe(401);
    expect(body['code']).toBe('LOGON_REFUSED');
    const malformed = { user: 'ada', password: 7, hunter2: 1 };
    const refused = await api.answer('POST /api/v1/session', { body: malformed });
    expect(refused.status).toBe(400);
    expect(JSON.stringify([body, refused.body])).not.toContain('hunter2');
  });

  it('of a browser is a cookie that no other site can use', async () => {
    const body = { user: 'ada', password: "ada's secret", cookie: true };
    const opened = await api.answer('POST /api/v1/session', { body });
    expect(opened.body['token']).toBeUndefined();
    const set = opened.headers.get('set-cookie') ?? '';
    expect(set).toMatch(
      /^capstan-session=token-\d+; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Strict$/,
    );
    const cookie = set.split(';')[0] ?? '';
    expect((await api.answer('GET /api/v1/tapes', { headers: { cookie } })).status).toBe(200);
    const forged = await api.answer('DELETE /api/v1/tapes/LAB001', { headers: { cookie } });
    expect(forged.status).toBe(403);
    const headers = { cookie, [COOKIE_HEADER]: '1' };
    expect((await api.answer('DELETE /api/v1/tapes/LAB001', { headers })).status).toBe(200);
    const off = await api.answer('DELETE /api/v1/session', { headers });
    expect(off.headers.get('set-cookie')).toContain('Max-Age=0');
    expect((await api.answer('GET /api/v1/tapes', { headers: { cookie } })).status).toBe(401);
  });

  it('over TLS has a cookie that goes over TLS only', async () => {
    const body = { user: 'ada', password: "ada's secret", cookie: true };
    const peer = { ...api.peer(), isSecure: true };
    const { headers } = await api.answer('POST /api/v1/session', { body }, peer);
    expect(headers.get('set-cookie')).toContain('; Secure');
  });
});

describe('limits', () => {
  it('bound the log-ons of an address, good or bad, for a while', async () => {
    const body = { user: 'eve', password: 'guess' };
    const peer = { ...api.peer(), address: '10.6.6.6' };
    for (let count = 0; count < API_LIMITS.logonCountMax; count += 1) {
      expect((await api.answer('POST /api/v1/session', { body }, peer)).status).toBe(401);
    }
    const good = { user: 'ada', password: "ada's secret" };
    const limited = await api.answer('POST /api/v1/session', { body: good }, peer);
    expect(limited.status).toBe(429);
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0);
    await api.answer('POST /api/v1/session', { body: good }, peer);
    expect(await api.bench.east.log('450102')).toEqual([
      'Log-ons from 10.6.6.6 are refused for 60 seconds: more than 20 came',
    ]);
    // Others are not hindered, and this one not for ever.
    await api.as('ada');
    await api.bench.world.advance(API_LIMITS.logonWindowMs);
    expect((await api.answer('POST /api/v1/session', { body: good }, peer)).status).toBe(201);
  });

  it('bound the body, whether or not its length is told', async () => {
    const text = JSON.stringify({ name: 'x'.repeat(API_LIMITS.bodyBytesMax) });
    const told = { ...ada, 'content-length': String(text.length) };
    for (const headers of [ada, told]) {
      const answer = await api.answer('POST /api/v1/tapes', { headers, body: text });
      expect(answer.status).toBe(413);
      expect(answer.body['detail']).toContain(`${API_LIMITS.bodyBytesMax} bytes`);
    }
  });

  it('bound the requests at a time, and let the next ones in when those have ended', async () => {
    api.bench.east.before = (what) =>
      what === 'catalog.listVaults' ? sleep(api.bench.world.clock, 1_000) : undefined;
    const ask = (): Promise<Response> =>
      api.api.fetch(api.request('GET /api/v1/vaults', { headers: ada }), api.peer());
    const under = Array.from({ length: API_LIMITS.requestCountMax }, ask);
    await api.bench.world.advance(10);
    expect((await ask()).status).toBe(503);
    const statuses = (await api.bench.finish(Promise.all(under))).map((each) => each.status);
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect((await api.bench.finish(ask())).status).toBe(200);
  });

  it('a server that stops finishes what is under way and takes nothing new', async () => {
    api.bench.east.before = (what) =>
      what === 'catalog.listVaults' ? sleep(api.bench.world.clock, 1_000) : undefined;
    const under = api.api.fetch(api.request('GET /api/v1/vaults', { headers: ada }), api.peer());
    await api.bench.world.advance(10);
    let closed = false;
    const closing = api.api.close().then(() => {
      closed = true;
    });
    await api.bench.world.advance(100);
    expect(closed).toBe(false);
    expect((await api.api.fetch(api.request('GET /healthz'), api.peer())).status).toBe(503);
    expect((await api.bench.finish(under)).status).toBe(200);
    await api.bench.finish(closing);
  });
});

describe('in the open', () => {
  it('stand the health check and the description, and nothing else', async () => {
    expect((await api.answer('GET /healthz')).body).toEqual({ status: 'ok' });
    const { body } = await api.answer('GET /api/v1/openapi.json');
    expect(body['openapi']).toBe('3.1.0');
    expect((await api.answer('GET /metrics')).status).toBe(401);
    const metrics = await api.raw('GET /metrics', { headers: bob });
    expect(metrics.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(await metrics.text()).toMatch(/^# HELP capstan_/m);
    expect((await api.answer('GET /api/v1/events/stream')).status).toBe(401);
  });
});
