/**
 * The sending side of a measured copy, a process of its own: `send-tape.ts JOB` with a {@link SendJob} as JSON.
 * Prints a {@link Sent} as JSON.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { generation } from '../../src/base/units.ts';
import { openEngine } from '../../src/platform/engine.ts';
import { OpenSshLink } from '../../src/platform/openssh-link.ts';
import { Ssh2Link } from '../../src/platform/ssh2-link.ts';
import { systemClock } from '../../src/platform/system-clock.ts';
import type { CopyTarget } from '../../src/ports/catalog.ts';
import { LANE_TOKEN_BYTES } from '../../src/replication/frame.ts';
import { LANE_POLICY } from '../../src/replication/lanes.ts';
import { sendTape } from '../../src/replication/sender.ts';

export const TAPE = 'LAB001';
export const POOL = 'DR';
const STALL_TIMEOUT_MS = 60_000;

export interface SendJob {
  readonly store: string;
  readonly target: CopyTarget;
  readonly identityFile: string;
  /** SSH channels at most. */
  readonly channelsMax: number;
}

export interface Sent {
  /** From the first packet to the acknowledgement that the copy is durable. */
  readonly wallMs: number;
  readonly bytesSent: number;
  /** SSH channels at the end. */
  readonly channels: number;
}

async function send({ store, target, identityFile, channelsMax }: SendJob): Promise<Sent> {
  const engine = await openEngine(store, { mode: 'read' });
  const link =
    target.transport === 'ssh2'
      ? new Ssh2Link({ privateKey: readFileSync(identityFile, 'utf8') })
      : new OpenSshLink({ identityFile });
  const startedAtMs = performance.now();
  const stream = await link.connect(target);
  let channels = 1;
  const { another } = stream;
  const lanes = another && {
    token: randomBytes(LANE_TOKEN_BYTES),
    open: async () => {
      const lane = await another();
      channels += 1;
      return lane;
    },
    policy: { ...LANE_POLICY, countMax: channelsMax },
  };
  const { bytesSent } = await sendTape({
    stream,
    engine,
    clock: systemClock,
    sourceServer: 'east',
    stallTimeoutMs: STALL_TIMEOUT_MS,
    ...(lanes && { lanes }),
    offer: {
      image: TAPE,
      tape: TAPE,
      pool: POOL,
      labelType: 'unlabelled',
      capacityBytes: 0,
      generation: generation(1),
    },
  });
  const wallMs = performance.now() - startedAtMs;
  await engine.close();
  return { wallMs, bytesSent, channels };
}

if (process.argv[1] === import.meta.filename) {
  const sent = await send(JSON.parse(process.argv[2] ?? '') as SendJob);
  process.stdout.write(JSON.stringify(sent));
}
