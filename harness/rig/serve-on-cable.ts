/**
 * `node serve-on-cable.ts HOME SOCKET`: a server as `capstan serve` runs it, its drives at the end of a cable
 * (scsi-cable.ts) for a host in another process.
 */
import { startServer } from '../../src/cli/serve.ts';
import { waitForSignal } from '../../src/cli/signals.ts';
import { openCable } from './scsi-cable.ts';

const [home = '', socket = ''] = process.argv.slice(2);
const stopRequested = waitForSignal();
const running = await startServer({
  home,
  onNotice: (sentence) => process.stderr.write(`${sentence}\n`),
});
await openCable(socket, (drive) => running.server.driveTransport(drive));
process.stdout.write(`Server ${running.configuration.name} serves ${home}; it has a cable.\n`);
await stopRequested;
await running.stop();
process.exit(0);
