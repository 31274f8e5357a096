/**
 * Giving space of a vault back, a few packs at a time: each step is durable by itself, so a collection that was cut
 * short goes on where it was when it is asked for again, and steps can be kept to a rate.
 */
import { checkName } from '../base/names.ts';
import { SECOND_MS } from '../base/units.ts';
import type { Clock } from '../ports/clock.ts';
import { sleep } from '../ports/clock.ts';
import type { CollectReport } from '../ports/engine.ts';
import type { TapeServices } from './tapes.ts';

/** Packs that a step gives up; one where a rate is to be kept. */
const STEP_PACK_COUNT = 8;
/** A pause is looked up from this often: the server may stop meanwhile. */
const PAUSE_MS_MAX = SECOND_MS;

export interface CollectParameters {
  readonly name: string;
  /** A pack of which less is still needed is given up. */
  readonly liveShare?: number | undefined;
  /** Bytes a second that are copied at most, on average; without it what the settings say. */
  readonly rateBytesPerSecond?: number | undefined;
}

/**
 * Gives space of a vault back that nothing refers to any more, with an event after each step. Rejects as
 * Engine.collect does, and NOT_FOUND where the server stops meanwhile.
 */
export async function collectVault(
  { context, vaults }: TapeServices,
  { name, liveShare, rateBytesPerSecond }: CollectParameters,
): Promise<CollectReport & { readonly name: string }> {
  const vault = checkName('vault', name);
  const { clock } = context.ports;
  const rate = rateBytesPerSecond ?? context.settings.collectRateBytesPerSecond;
  const packCountMax = rate === undefined ? STEP_PACK_COUNT : 1;
  const options = { packCountMax, ...(liveShare !== undefined && { liveShareMin: liveShare }) };
  let continues = false;
  // What is copied lies in new packs, which need not be looked at again.
  let packsLeft = (await vaults.engine(vault).statistics()).packCount;
  const total = { packsRemoved: 0, freedBytes: 0, copiedBytes: 0 };
  for (;;) {
    const startMs = clock.monotonicMs();
    const step = await context.ballasts.rescue(() =>
      vaults.engine(vault).collect({ ...options, continues }),
    );
    // One collection, however long it takes: a copy that comes in meanwhile is not to lose what came for it.
    continues = true;
    total.packsRemoved += step.packsRemoved;
    total.freedBytes += step.freedBytes;
    total.copiedBytes += step.copiedBytes;
    packsLeft -= step.packsRemoved;
    context.emit({ kind: 'collect-progress', vault, ...total });
    if (step.packsRemoved < packCountMax || packsLeft <= 0) {
      context.ballasts.holdAgain();
      return { name, ...total };
    }
    if (rate !== undefined) {
      const untilMs = startMs + (step.copiedBytes / rate) * SECOND_MS;
      await pause(clock, untilMs, () => vaults.engine(vault));
    }
  }
}

/** Until the time given, as long as `check` does not throw. */
async function pause(clock: Clock, untilMs: number, check: () => void): Promise<void> {
  for (;;) {
    const leftMs = untilMs - clock.monotonicMs();
    if (leftMs <= 0) return;
    check();
    await sleep(clock, Math.min(leftMs, PAUSE_MS_MAX));
  }
}
