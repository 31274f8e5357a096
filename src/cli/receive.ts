/** `capstan receive`: the replication protocol on standard input and output. */
import { pipeline } from 'node:stream/promises';
import { answers } from '../platform/control-socket.ts';
import { upgradeHttp } from '../platform/http-client.ts';
import { stdioStream } from '../platform/stdio-stream.ts';
import { homePaths, readConfiguration } from './configuration.ts';
import { REPLICATION_PROTOCOL } from './serve-api.ts';
import { openServer, serveReplication } from './serve.ts';

/**
 * Bridges to the server that runs on `home`, or serves the connection itself where none runs. Resolves
 * when the connection has ended, for whatever reason of the peer's.
 */
export async function receiveOnStdio(
  home: string,
  onNotice: (sentence: string) => void,
): Promise<void> {
  const paths = homePaths(home);
  const configuration = await readConfiguration(paths);
  if (!(await answers(paths.controlSocket))) {
    const server = await openServer(paths, configuration, 'offline');
    await serveReplication(server, configuration, stdioStream(), onNotice);
    await server.stop();
    return;
  }
  const socket = await upgradeHttp({ path: paths.controlSocket }, REPLICATION_PROTOCOL);
  const directions = [pipeline(process.stdin, socket), pipeline(socket, process.stdout)];
  const results = await Promise.allSettled(directions);
  socket.destroy();
  const lost = results.find((result) => result.status === 'rejected');
  if (lost !== undefined) onNotice(`the replication connection was lost: ${String(lost.reason)}`);
}
