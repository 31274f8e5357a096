/**
 * A whole server with its host as a process of its own, for the power to be cut under:
 * `node site.ts HOME HOST-PORT SEED`, without a host where the port is 0.
 *
 * It says `served` and, once it has read the line `work`, lets the host back tapes up for ever. What is
 * acknowledged it says at once, with the monotonic clock in nanoseconds:
 *
 *   ack logged ID NS             an entry of the event log
 *   ack tape NAME GENERATION NS  a dismount
 *   ack copy NAME GENERATION NS  a copy that the target has acknowledged
 *   ack run ID NS                a run of Instant DR that is done
 *   copying NAME                 a copy begins
 *   trouble TEXT                 what the host meets; with the power gone it is no news
 */
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { backup } from '../../../harness/hosts/backup-jobs.ts';
import { NonStopHost } from '../../../harness/hosts/nonstop-host.ts';
import { SimulatedRandom } from '../../../harness/world/simulated-random.ts';
import { KIB } from '../../../src/base/units.ts';
import { startServer } from '../../../src/cli/serve.ts';
import { systemClock } from '../../../src/platform/system-clock.ts';
import { tcpNetwork } from '../../../src/platform/tcp-network.ts';
import { sleep } from '../../../src/ports/clock.ts';
import type { ScsiTransport } from '../../../src/ports/scsi-transport.ts';
import type { ServerEvent } from '../../../src/server/context.ts';
import { DEVICE, DRIVE, HOST, POOLS, SCHEME, VOLUMES } from './layout.ts';

const STDOUT = 1;
const HOST_POLL_INTERVAL_MS = 50;
const MOUNT_TIMEOUT_MS = 20_000;
const RECORD_BYTES = 64 * KIB;
const RECORD_COUNT_MAX = 96;
/** After trouble: the host is in no hurry. */
const TROUBLE_PAUSE_MS = 300;

function say(line: string): void {
  writeSync(STDOUT, `${line}\n`);
}

const acknowledge = (what: string): void => say(`ack ${what} ${process.hrtime.bigint()}`);

function hear(event: ServerEvent): void {
  if (event.kind === 'event-logged') acknowledge(`logged ${event.row.id}`);
  if (event.kind === 'dismounted') acknowledge(`tape ${event.mount.tape} ${event.generation}`);
  if (event.kind === 'idr-run' && event.run.state === 'done') acknowledge(`run ${event.run.id}`);
  if (event.kind === 'copy-started') say(`copying ${event.tape}`);
  if (event.kind === 'copy-finished') acknowledge(`copy ${event.tape} ${event.generation}`);
}

const [home = '', hostPort = '0', seed = '1'] = process.argv.slice(2);
const random = new SimulatedRandom(Number(seed));
const cable: { drive: ScsiTransport | undefined } = { drive: undefined };
const drive: ScsiTransport = {
  execute: (command) =>
    cable.drive?.execute(command) ?? Promise.reject(new Error('the drive is not there yet')),
};
const host = new NonStopHost({
  node: HOST.node,
  clock: systemClock,
  network: tcpNetwork,
  devices: new Map([[DEVICE, drive]]),
  user: HOST.user,
  password: HOST.password,
  pollIntervalMs: HOST_POLL_INTERVAL_MS,
});
if (hostPort !== '0') await host.listen({ address: '127.0.0.1', port: Number(hostPort) });
const { server } = await startServer({ home, onEvent: hear });

function* records(): Generator<Uint8Array> {
  const repeated = random.bytes(RECORD_BYTES);
  const count = 1 + random.below(RECORD_COUNT_MAX);
  for (let index = 0; index < count; index += 1) {
    yield random.below(4) === 0 ? repeated : random.bytes(RECORD_BYTES);
  }
}

async function backUpOne(): Promise<void> {
  const volume = VOLUMES[random.below(VOLUMES.length)] ?? '';
  const tape = await host.requestMount({ volume, ring: true, timeoutMs: MOUNT_TIMEOUT_MS });
  try {
    await backup(tape, { file: 'OUT.FILE', blocks: records(), atMs: systemClock.nowMs() });
    await tape.unload();
  } finally {
    tape.abandon();
  }
}

async function work(): Promise<never> {
  cable.drive = server.driveTransport(DRIVE);
  for (;;) {
    try {
      await backUpOne();
      if (random.below(3) === 0) await server.operations.call('idr.dispatch', { name: SCHEME });
    } catch (error) {
      say(`trouble ${String(error).replaceAll('\n', ' ')}`);
      await sleep(systemClock, TROUBLE_PAUSE_MS);
    }
  }
}

createInterface(process.stdin).on('line', (line) => {
  if (line === 'work') void work();
});
process.on('SIGTERM', () => process.exit(0));
say(`served ${POOLS.length}`);
