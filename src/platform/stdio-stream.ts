/** This process's standard input and output as a stream: a subsystem of a system's sshd. */
import type { DuplexStream } from '../ports/network.ts';
import { peerOfSession } from './handover.ts';
import { NodeDuplex } from './node-duplex.ts';

/** The peer at standard input and output. Nothing else may write to standard output. */
export function stdioStream(): DuplexStream {
  return new NodeDuplex({
    peer: peerOfSession(process.env),
    readable: process.stdin,
    writable: process.stdout,
    drop: () => {
      process.stdin.destroy();
      process.stdout.destroy();
    },
  });
}
