/** A server with an API over TCP and two users, as a process of its own: what the tests of the API share. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withDir } from 'tmp-promise';
import { expect } from 'vitest';
import { ServeProcess } from '../../harness/rig/serve-process.ts';
import { API_LIMITS } from '../../src/api/limits.ts';
import { localClient } from '../../src/cli/call.ts';
import type { ConfigurationFile } from '../../src/cli/configuration.ts';
import { createHome } from '../../src/cli/create-home.ts';
import { sendHttp } from '../../src/platform/http-client.ts';
import type { HttpAnswer, HttpPlace } from '../../src/platform/http-client.ts';

export const PASSWORD = 'correct horse battery staple';
/** A process takes its time to start where many do. */
export const WAIT = { timeout: 60_000 };
const LOOPBACK = { address: '127.0.0.1', port: 0 };

export const inFolder = (work: (path: string) => Promise<void>): Promise<void> =>
  withDir(({ path }) => work(path), { unsafeCleanup: true });

/** Makes a home whose API listens on a free port of this machine. */
export async function makeHome(home: string, api: ConfigurationFile['api'] = { listen: LOOPBACK }) {
  const { paths } = await createHome({ home, listen: LOOPBACK });
  const text = await readFile(paths.configuration, 'utf8');
  await writeFile(paths.configuration, JSON.stringify({ ...JSON.parse(text), api }));
  return paths;
}

export interface Site {
  readonly home: string;
  readonly process: ServeProcess;
  readonly url: string;
  readonly place: HttpPlace;
  readonly local: ReturnType<typeof localClient>;
}

export async function serve(home: string, authorities?: string): Promise<Site> {
  const serving = await ServeProcess.start(home);
  const url = /Its API is at (https?:\/\/\S+)\.\n/.exec(serving.output)?.[1] ?? '';
  return {
    home,
    process: serving,
    url,
    place: { url: new URL(url), authorities },
    local: localClient(join(home, 'control.sock')),
  };
}

/** A site with users `ada`, who may do everything, and `bob`, who may look. */
export async function withSite(work: (site: Site, folder: string) => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    const home = join(folder, 'east');
    await makeHome(home);
    const site = await serve(home);
    try {
      await site.local.call('user.create', {
        name: 'ada',
        group: 'Administration',
        password: PASSWORD,
      });
      await site.local.call('user.create', {
        name: 'bob',
        group: 'Operations',
        password: PASSWORD,
      });
      await work(site, folder);
    } finally {
      await site.process.end('SIGKILL');
    }
  });
}

export interface Sent {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export const send = (place: HttpPlace, call: string, rest: Sent = {}): Promise<HttpAnswer> => {
  const [method = '', target = ''] = call.split(' ');
  return sendHttp(place, { method, target, ...rest }, API_LIMITS.answerBytesMax);
};

export async function tokenOf({ place }: Pick<Site, 'place'>, user: string): Promise<string> {
  const body = JSON.stringify({ user, password: PASSWORD });
  const answer = await send(place, 'POST /api/v1/session', { body });
  expect(answer.status).toBe(201);
  return (JSON.parse(answer.body) as { token: string }).token;
}

export const bearer = (token: string): Sent => ({ headers: { authorization: `Bearer ${token}` } });
