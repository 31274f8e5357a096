/**
 * The short way of `capstan receive`: where a server runs on the home, its connection is handed over before the rest of
 * the command line is loaded, which takes ten times as long. Anything else goes the long way.
 */
import { isCapstanError } from '../base/errors.ts';
import { handOver, peerOfSession } from '../platform/handover.ts';
import { homeFolder, homePaths } from './home.ts';

/** The exit code, or undefined where the arguments are others or no server runs. */
export async function receiveEarly(
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<number | undefined> {
  const [command, ...rest] = args;
  if (command !== 'receive') return undefined;
  const [, home] = /^--home[= ](.+)$/s.exec(rest.join(' ')) ?? [];
  if (rest.length > (home === undefined ? 0 : 2)) return undefined;
  const { receiveSocket } = homePaths(homeFolder(home, environment));
  try {
    const outcome = await handOver(receiveSocket, peerOfSession(environment));
    if (outcome === 'absent') return undefined;
    if (outcome === 'served') return 0;
    process.stderr.write('capstan: the server dropped the connection\n');
  } catch (error) {
    if (!isCapstanError(error)) throw error;
    process.stderr.write(`capstan: ${error.message}\n`);
  }
  return 1;
}
