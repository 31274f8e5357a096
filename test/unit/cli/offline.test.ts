/** What a command says of a home on which no server runs. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withDir } from 'tmp-promise';
import { expect, it } from 'vitest';
import { callOperation } from '../../../src/cli/call.ts';
import { createHome } from '../../../src/cli/create-home.ts';
import { Bench, NODE } from '../server/bench.ts';

const HOST = { host: NODE, address: '127.0.0.1', port: 9, user: 'TAPES.CAPSTAN' };

it('a home without a server has its hosts, says that nobody listens to them, and starts nothing', () =>
  withDir(
    async ({ path }) => {
      const home = join(path, 'east');
      const { paths } = await createHome({ home, listen: { address: '127.0.0.1', port: 0 } });
      const configuration = JSON.parse(await readFile(paths.configuration, 'utf8')) as object;
      // The password need not be there for a command that only looks.
      const ems = [{ ...HOST, passwordFile: 'lab.password' }];
      await writeFile(paths.configuration, JSON.stringify({ ...configuration, ems }));
      const call = (method: string): Promise<unknown> =>
        callOperation({ at: { home }, method, parameters: {} });
      expect(await call('server.status')).toMatchObject({ state: 'not running', hosts: [NODE] });
      expect(await call('host.list')).toMatchObject([{ name: NODE, state: 'stopped' }]);
      await expect(call('host.restart')).rejects.toThrow('no server runs');
    },
    { unsafeCleanup: true },
  ));

it('a server that runs says so', async () => {
  const bench = await Bench.start();
  expect(await bench.east.call('server.status')).toMatchObject({ state: 'running', hosts: [NODE] });
});
