/**
 * Standard input and output of this process, given to a server that runs on this machine: `capstan receive`
 * behind a system's sshd. From then on the server reads and writes sshd's pipes itself, and no byte passes
 * through here. Imports little, for a process is started for each channel.
 */
import { isCapstanError } from '../base/errors.ts';
import { nativeModule, translated } from './native-module.ts';

/** Who is at the other end, for messages: sshd names the client in SSH_CONNECTION. */
export function peerOfSession(environment: NodeJS.ProcessEnv): string {
  const [address, port] = (environment['SSH_CONNECTION'] ?? '').split(' ');
  return port === undefined ? 'standard input' : `${address}:${port}`;
}

/**
 * Gives them to the server that listens at `path` and waits until it has done with them. 'absent' where none listens,
 * 'lost' where the server ended before its peer did. Rejects DISK_IO.
 */
export async function handOver(path: string, peer: string): Promise<'served' | 'lost' | 'absent'> {
  try {
    const call = async (): Promise<boolean> => nativeModule().handOver(path, peer);
    return (await translated(call())) ? 'served' : 'lost';
  } catch (error) {
    if (isCapstanError(error, 'NOT_FOUND')) return 'absent';
    throw error;
  }
}
