/** This process's standard input and output as a stream: a subsystem of a system's sshd. */
import type { DuplexStream } from '../ports/network.ts';
import { NodeDuplex } from './node-duplex.ts';

/**
 * The peer at standard input and output. Nothing else may write to standard output. sshd names the
 * client in SSH_CONNECTION; without it the peer is 'standard input'.
 */
export function stdioStream(): DuplexStream {
  const [address, port] = (process.env['SSH_CONNECTION'] ?? '').split(' ');
  return new NodeDuplex({
    peer: port === undefined ? 'standard input' : `${address}:${port}`,
    readable: process.stdin,
    writable: process.stdout,
    drop: () => {
      process.stdin.destroy();
      process.stdout.destroy();
    },
  });
}
