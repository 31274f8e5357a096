/** The API of real servers over real sockets: log-on, TLS, hostile clients, rights. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { runCapstan } from '../../harness/rig/serve-process.ts';
import { API_LIMITS } from '../../src/api/limits.ts';
import { systemClock } from '../../src/platform/system-clock.ts';
import { sleep } from '../../src/ports/clock.ts';
import {
  PASSWORD,
  bearer,
  inFolder,
  makeHome,
  send,
  serve,
  tokenOf,
  withSite,
} from './api-site.ts';
import type { Site } from './api-site.ts';

describe('the command line', { timeout: 120_000 }, () => {
  it('does at a server elsewhere what it does here, as who is logged on', () =>
    withSite(async ({ url, local, home }, folder) => {
      const tokenFile = join(folder, 'token');
      const passwordFile = join(folder, 'password');
      await writeFile(passwordFile, `${PASSWORD}\n`);
      const environment = { CAPSTAN_SERVER: url, CAPSTAN_TOKEN_FILE: tokenFile };
      const run = (...args: readonly string[]) => runCapstan(args, environment);
      const logon = await run('logon', 'ada', '--password-file', passwordFile);
      expect(logon.output).toMatch(
        /^ada is logged on at http:\/\/127\.0\.0\.1:\d+ until .* UTC\.\n$/,
      );
      expect((await stat(tokenFile)).mode & 0o777).toBe(0o600);
      await run('pool', 'create', 'BACKUP');
      expect(await run('tape', 'create', 'T00001', '--pool', 'BACKUP')).toMatchObject({ code: 0 });
      const listed = await run('tape', 'list', '--json');
      expect(JSON.parse(listed.stdout)).toEqual(
        JSON.parse(JSON.stringify(await local.call('tape.list', {}))),
      );
      const events = await run('events', 'list', '--json');
      const made = (JSON.parse(events.stdout) as { text: string }[]).find(({ text }) =>
        text.includes('Cartridge T00001 created'),
      );
      expect(made).toMatchObject({ user: 'ada', address: '127.0.0.1', program: 'capstan' });
      // --home wins over the environment; --server beside it is a mistake.
      const here = await run('tape', 'list', '--json', '--home', home);
      expect(here.stdout).toBe(listed.stdout);
      const both = await runCapstan(['tape', 'list', '--home', home, '--server', url]);
      expect(both).toMatchObject({ code: 2, stderr: expect.stringContaining('name two servers') });
      expect((await run('logoff')).output).toContain('is over');
      const after = await run('tape', 'list');
      expect(after).toMatchObject({ code: 1, stdout: '' });
      expect(after.stderr).toMatch(/^capstan: The session is over/);
    }));

  it('sends no token in the clear, and none that others may read', () =>
    withSite(async (site, folder) => {
      const clear = await runCapstan(['tape', 'list', '--server', 'http://tapes.example.com']);
      expect(clear).toMatchObject({ code: 2, stderr: expect.stringContaining('use https') });
      const file = join(folder, 'token');
      await writeFile(file, await tokenOf(site, 'ada'));
      await chmod(file, 0o640);
      const args = ['tape', 'list', '--server', site.url, '--token-file', file];
      expect((await runCapstan(args)).stderr).toContain('others may read it; `chmod 600');
      await chmod(file, 0o600);
      expect((await runCapstan(args)).code).toBe(0);
    }));
});

describe('two servers', { timeout: 120_000 }, () => {
  it('let nobody in with a token of the other, and neither with a guess', () =>
    withSite((east, folder) =>
      withSite(async (west) => {
        const token = await tokenOf(east, 'ada');
        expect((await send(east.place, 'GET /api/v1/tapes', bearer(token))).status).toBe(200);
        for (const wrong of [token, `${token}x`, 'x', 'a'.repeat(513)]) {
          const { status, body } = await send(west.place, 'GET /api/v1/tapes', bearer(wrong));
          expect(status).toBe(401);
          expect(body).not.toContain(wrong.slice(0, 20).padEnd(20, '#'));
        }
        expect((await send(west.place, 'GET /api/v1/tapes')).status).toBe(401);
        expect(folder).not.toBe('');
      }),
    ));

  it('give everybody what his rights are', () =>
    withSite(async (site) => {
      const token = await tokenOf(site, 'bob');
      const body = JSON.stringify({ name: 'eve', group: 'Administration' });
      const made = await send(site.place, 'POST /api/v1/users', { ...bearer(token), body });
      expect(made.status).toBe(403);
      expect((await send(site.place, 'GET /api/v1/server', bearer(token))).status).toBe(200);
    }));
});

/** Sends bytes, a piece each time the server could read; what it answered until it ended the connection. */
async function rawAnswer({ url }: Site, pieces: readonly string[], gapMs = 0): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let text = '';
  socket.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  // The server drops the connection in the middle: that is what is awaited.
  socket.on('error', () => {});
  const closed = once(socket, 'close');
  for (const piece of pieces) {
    if (socket.destroyed) break;
    socket.write(piece);
    await sleep(systemClock, gapMs);
  }
  await closed;
  return text;
}

describe('clients that misbehave', { timeout: 120_000 }, () => {
  it('get no more than the limits, and others are served meanwhile', () =>
    withSite(async (site) => {
      const token = await tokenOf(site, 'ada');
      const head = `POST /api/v1/tapes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n`;
      const json = 'Content-Type: application/json\r\n';
      const beganMs = systemClock.monotonicMs();
      const [slowHead, slowBody, longHead, longBody, chunked, rubbish] = await Promise.all([
        rawAnswer(site, [head, ...Array.from({ length: 40 }, () => 'X: y\r\n')], 500),
        rawAnswer(site, [`${head}${json}Content-Length: 100\r\n\r\n`, '{']),
        rawAnswer(site, [`${head}X: ${'y'.repeat(API_LIMITS.headerBytesMax)}\r\n\r\n`]),
        rawAnswer(site, [
          `${head}${json}Connection: close\r\nContent-Length: ${API_LIMITS.bodyBytesMax + 1}\r\n\r\n`,
        ]),
        rawAnswer(site, [
          `${head}${json}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n`,
          ...Array.from({ length: 20 }, () => `10000\r\n${'x'.repeat(0x10000)}\r\n`),
        ]),
        rawAnswer(site, ['rubbish\r\n\r\n']),
        send(site.place, 'GET /api/v1/tapes', bearer(token)).then(({ status }) =>
          expect(status).toBe(200),
        ),
      ]);
      expect(slowHead).toMatch(/^HTTP\/1\.1 408 /);
      expect(slowBody).toMatch(/^HTTP\/1\.1 408 /);
      expect(longHead).toMatch(/^HTTP\/1\.1 431 /);
      expect(longBody).toMatch(/^HTTP\/1\.1 413 [\s\S]*LIMIT_EXCEEDED/);
      expect(chunked).toMatch(/^HTTP\/1\.1 413 /);
      expect(rubbish).toMatch(/^HTTP\/1\.1 400 /);
      const tookMs = systemClock.monotonicMs() - beganMs;
      expect(tookMs).toBeGreaterThan(API_LIMITS.headersTimeoutMs);
      expect(tookMs).toBeLessThan(API_LIMITS.requestTimeoutMs + 10_000);
      const pool = '{"name":"P","vault":"VAULT00"}';
      const good = await rawAnswer(site, [
        `${head.replace('tapes', 'pools')}${json}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n`,
        `5\r\n${pool.slice(0, 5)}\r\n19\r\n${pool.slice(5)}\r\n0\r\n\r\n`,
      ]);
      expect(good).toMatch(/^HTTP\/1\.1 201 /);
    }));

  it('are slowed down where they guess passwords', () =>
    withSite(async ({ place }) => {
      const statuses: number[] = [];
      for (let count = 0; count <= API_LIMITS.logonCountMax; count += 1) {
        const body = JSON.stringify({ user: `user${count}`, password: 'guess' });
        statuses.push((await send(place, 'POST /api/v1/session', { body })).status);
      }
      expect(statuses.slice(0, -1)).toEqual(statuses.slice(0, -1).map(() => 401));
      expect(statuses.at(-1)).toBe(429);
    }));
});

describe('an API that other machines reach', { timeout: 120_000 }, () => {
  it('is refused without a certificate', () =>
    inFolder(async (folder) => {
      const home = join(folder, 'east');
      await makeHome(home, { listen: { address: '0.0.0.0', port: 0 } });
      const { code, stderr } = await runCapstan(['serve', '--home', home]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/0\.0\.0\.0 is reached from other machines: configure "certificate"/);
      expect(stderr.trim().split('\n')).toHaveLength(1);
    }));

  it('speaks TLS, to who trusts its certificate', (context) =>
    inFolder(async (folder) => {
      const home = join(folder, 'east');
      const api = { listen: { address: '0.0.0.0', port: 0 }, certificate: 'c.pem', key: 'k.pem' };
      const paths = await makeHome(home, api);
      const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
      const files = ['-keyout', join(home, 'k.pem'), '-out', join(home, 'c.pem')];
      const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
      try {
        await promisify(execFile)('openssl', [
          'req',
          '-x509',
          '-nodes',
          ...kind,
          ...subject,
          ...files,
        ]);
      } catch {
        context.skip('openssl is missing');
      }
      const certificate = await readFile(join(home, 'c.pem'), 'utf8');
      const site = await serve(home);
      const url = new URL(site.url.replace('0.0.0.0', '127.0.0.1'));
      expect(url.protocol).toBe('https:');
      try {
        const trusted = { url, authorities: certificate };
        expect((await send(trusted, 'GET /healthz')).body).toBe('{"status":"ok"}');
        await expect(send({ url }, 'GET /healthz')).rejects.toThrow('self-signed certificate');
        const clear = { url: new URL(url.href.replace('https', 'http')) };
        await expect(send(clear, 'GET /healthz')).rejects.toMatchObject({
          code: 'SERVER_UNREACHABLE',
        });
        const status = ['status', '--server', url.origin, '--ca-file', join(home, 'c.pem')];
        expect((await runCapstan(status)).stderr).toContain('The session is over');
      } finally {
        await site.process.end('SIGTERM');
      }
      await writeFile(join(home, 'k.pem'), 'no key');
      const broken = await runCapstan(['serve', '--home', home]);
      expect(broken).toMatchObject({ code: 1 });
      expect(broken.stderr).toContain("The API's certificate or key is refused");
      expect(paths.home).toBe(home);
    }));
});
