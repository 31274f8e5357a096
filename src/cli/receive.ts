/** `capstan receive` where no server runs: the replication protocol on standard input and output. */
import { stdioStream } from '../platform/stdio-stream.ts';
import { readConfiguration } from './configuration.ts';
import { homePaths } from './home.ts';
import { openServer, serveReplication } from './serve.ts';

/** Serves the connection in this process; resolves when it has ended, for whatever reason of the peer's. */
export async function receiveOnStdio(
  home: string,
  onNotice: (sentence: string) => void,
): Promise<void> {
  const paths = homePaths(home);
  const configuration = await readConfiguration(paths);
  const server = await openServer(paths, configuration, 'offline');
  await serveReplication(server, configuration, stdioStream(), onNotice);
  await server.stop();
}
