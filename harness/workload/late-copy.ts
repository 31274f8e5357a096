/**
 * A copy that comes late: an earlier version of a tape is sent although a newer one exists, as by a
 * second, slower sender that a network held up. The production sender sends it; the receiver must find
 * it stale, or it would take the place of a newer one.
 */
import { isCapstanError } from '../../src/base/errors.ts';
import { generation } from '../../src/base/units.ts';
import { sendTape } from '../../src/replication/sender.ts';
import type { TapeVersion } from '../model/tape-model.ts';
import { Life } from '../world/life.ts';
import { decorate } from '../../src/base/decorate.ts';
import type { SimulatedServer } from '../world/simulated-server.ts';
import type { World } from '../world/world.ts';

const STALL_TIMEOUT_MS = 60_000;

export interface LateCopy {
  readonly tape: string;
  readonly targetPool: string;
  readonly capacityBytes: number;
  readonly version: TapeVersion;
  readonly target: { readonly address: string; readonly port: number };
}

/** Sends it; resolves when it has ended, however that was. */
export async function sendLateCopy(
  world: World,
  source: SimulatedServer,
  late: LateCopy,
): Promise<void> {
  const opened = source.engine;
  if (opened === undefined) return;
  // Without crash points: it stands for another process, which reads the same store.
  const engine = decorate(opened, async (method, call) =>
    method === 'exportManifest' ? late.version.manifest : call(),
  );
  const { tape, targetPool: pool, capacityBytes, version } = late;
  let outcome: string;
  try {
    const stream = await world.network.port(source.address, new Life()).connect(late.target);
    const result = await sendTape({
      stream,
      engine,
      clock: world.clock,
      stallTimeoutMs: STALL_TIMEOUT_MS,
      sourceServer: source.name,
      offer: {
        tape,
        pool,
        capacityBytes,
        image: tape,
        labelType: 'backup',
        generation: generation(version.generation),
      },
    });
    ({ outcome } = result);
  } catch (error) {
    // The source was killed meanwhile, and its disk answers no more.
    const died = source.engine !== opened;
    if (!died && !isCapstanError(error)) throw error;
    outcome = died ? 'its source died' : String(error);
  }
  world.trace.record(`late copy of ${tape}, generation ${version.generation}: ${outcome}`);
}
