/**
 * The short way of `capstan receive`: where a server runs on the home, its connection is handed over before the rest of
 * the command line is loaded, which takes ten times as long. Anything else goes the long way.
 */
import { isCapstanError } from '../base/errors.ts';
import { handOver, peerOfSession } from '../platform/handover.ts';
import { homeFolder, homePaths } from './home.ts';

/** What `receive`, `receive --home PATH` and `receive --home=PATH` say; undefined for any other arguments. */
export function plainReceive(
  args: readonly string[],
): { readonly home: string | undefined } | undefined {
  const [command, option, value, ...more] = args;
  if (command !== 'receive' || more.length > 0) return undefined;
  if (option === undefined) return { home: undefined };
  if (option === '--home') return value === undefined ? undefined : { home: value };
  const isJoined = option.startsWith('--home=') && value === undefined;
  return isJoined ? { home: option.slice('--home='.length) } : undefined;
}

/** The exit code, or undefined where the arguments are others or no server runs. */
export async function receiveEarly(
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<number | undefined> {
  const said = plainReceive(args);
  if (said === undefined) return undefined;
  const { receiveSocket } = homePaths(homeFolder(said.home, environment));
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
