/** A program for sshd's `Subsystem` line: receives copies into a model engine until the peer ends. */
import { receiveCopies } from '../../src/replication/receiver.ts';
import { stdioStream } from '../../src/platform/stdio-stream.ts';
import { systemClock } from '../../src/platform/system-clock.ts';
import { TargetServer } from '../unit/replication/copies.ts';

const target = new TargetServer();
await receiveCopies({
  stream: stdioStream(),
  receiver: target,
  clock: systemClock,
  serverName: 'west',
  stallTimeoutMs: 20_000,
  log: (sentence) => process.stderr.write(`${sentence}\n`),
});
process.stderr.write(`committed ${target.committed}\n`);
