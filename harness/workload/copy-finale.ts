/**
 * The end of every case: faults cease, servers run, the host gives its tapes back, time goes by; then
 * everything that was owed must be done. This is the liveness phase, and the last look at safety.
 */
import { assert } from '../../src/base/assert.ts';
import { MINUTE_MS } from '../../src/base/units.ts';
import type { Engine } from '../../src/ports/engine.ts';
import { readObjects } from '../checker/image-content.ts';
import { hold } from '../checker/violation.ts';
import { restore } from '../hosts/backup-jobs.ts';
import { describeObjects, equalObjects } from '../model/tape-model.ts';
import type { SimulatedServer } from '../world/simulated-server.ts';
import type { CopyScenario, ScenarioTape } from './copy-scenario.ts';

/** Twelve attempts, five minutes apart, fit into it. */
const DRAIN_MS = 61 * MINUTE_MS;
const EASY_ATTEMPTS_MAX = 2;

/** Throws InvariantViolation where the scenario does not come to a good end. */
export async function copyFinale(scenario: CopyScenario): Promise<void> {
  const { world, east, west, wire, tapes } = scenario;
  world.trace.record('> finale');
  for (const server of [east, west]) server.cancelCrash();
  wire.heal();
  for (const server of [east, west]) if (!server.running) await scenario.restart(server);
  for (const tape of tapes) if (tape.mounted !== undefined) await scenario.dismount(tape);
  const wellSinceMs = world.clock.elapsedMs;
  await world.advance(DRAIN_MS);
  await scenario.check();
  for (const tape of tapes) {
    checkSettled(tape);
    checkEase(tape, wellSinceMs);
  }
  await checkReadable(engineOf(west), tapes);
  for (const server of [east, west]) await checkStore(server);
  for (const tape of tapes) await checkRestore(scenario, tape);
}

function engineOf({ engine, name }: SimulatedServer): Engine {
  assert(engine !== undefined, `${name} has its engine open`);
  return engine;
}

/** What the newest ring dismount owed is on the target, or its failure stands in the event log. */
function checkSettled({ model, owed, replica, incidents }: ScenarioTape): void {
  if (owed === undefined) return;
  const newestDismount = incidents.findLastIndex(({ what }) => what === 'ring-dismount');
  const failed = incidents.slice(newestDismount).some(({ what }) => what === 'failure');
  hold(
    failed || (replica !== undefined && replica.generation >= owed.generation),
    () => `generation ${owed.generation} of ${model.name} is neither copied nor given up`,
  );
}

/** Where nothing fails any more, a copy needs one attempt; and one that a fault still had a part in. */
function checkEase({ model, incidents }: ScenarioTape, wellSinceMs: number): void {
  const attempts = incidents.filter(({ what, atMs }) => what === 'attempt' && atMs > wellSinceMs);
  hold(
    attempts.length <= EASY_ATTEMPTS_MAX,
    () => `${model.name} needs ${attempts.length} attempts where nothing fails`,
  );
}

/** Each copy is, block for block and mark for mark, the version that its digest says. */
async function checkReadable(target: Engine, tapes: readonly ScenarioTape[]): Promise<void> {
  for (const { model, replica } of tapes) {
    if (replica === undefined) continue;
    const objects = await readObjects(target, model.name);
    const version = model.versions.find(
      ({ manifestDigest }) => manifestDigest === replica.manifestDigest,
    );
    hold(
      version !== undefined && equalObjects(version.objects, objects),
      () => `the copy of ${model.name} reads ${describeObjects(objects)}`,
    );
  }
}

async function checkStore(server: SimulatedServer): Promise<void> {
  const engine = engineOf(server);
  const { damages } = await engine.verify({});
  hold(
    damages.length === 0,
    () =>
      `${server.name} is damaged: ${damages.map(({ place, what }) => `${place} ${what}`).join('; ')}`,
  );
  const staged = (await engine.listImages()).filter(({ name }) => name.includes('.'));
  hold(staged.length === 0, () => `${server.name} has ${staged[0]?.name} left behind`);
}

/** The host reads the tape without ring what it wrote, and no copy follows. */
async function checkRestore(scenario: CopyScenario, tape: ScenarioTape): Promise<void> {
  const attemptCount = (): number => tape.incidents.filter(({ what }) => what === 'attempt').length;
  const before = attemptCount();
  const { content } = tape.model;
  const isBackup =
    content.filter(({ kind }) => kind === 'filemark').length === 4 &&
    content.slice(-2).every(({ kind }) => kind === 'filemark');
  await scenario.mount(tape, false);
  if (isBackup) {
    const blocks: Uint8Array[] = [];
    await scenario.job(tape, (mounted) => restore(mounted, (block) => void blocks.push(block)));
    const read = blocks.map((data) => ({ kind: 'block' as const, data }));
    // VOL1 HDR1 HDR2 TM data TM EOF1 EOF2 TM TM
    const written = content.slice(4, -5);
    hold(
      equalObjects(read, written),
      () => `the host restores ${describeObjects(read)} from ${tape.model.name}`,
    );
  }
  await scenario.dismount(tape);
  await scenario.world.advance(MINUTE_MS);
  hold(attemptCount() === before, () => `${tape.model.name} is copied after a mount without ring`);
}
