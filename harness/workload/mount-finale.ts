/** The end of a case of mounts: all is made well, and every request that is open has to be satisfied in its turn. */
import { MINUTE_MS } from '../../src/base/units.ts';
import { REFUSALS_MAX } from '../../src/server/refused-requests.ts';
import { RECOVERY_MS } from '../checker/mount-answers.ts';
import { hold } from '../checker/violation.ts';
import { MOUNT_TAPES, SETTLING_MS } from './mount-scenario.ts';
import type { MountScenario } from './mount-scenario.ts';

/** Throws InvariantViolation where the scenario does not come to a good end. */
export async function mountFinale(scenario: MountScenario): Promise<void> {
  const { world, east, wire, jobs } = scenario;
  world.trace.record('> finale');
  east.cancelCrash();
  wire.heal();
  scenario.host.commandDelayMs = 0;
  east.failOpenings(false);
  if (!east.running) await scenario.startServer();
  scenario.noteTrouble();
  for (const tape of MOUNT_TAPES) await scenario.unlock(tape);
  await giveUp(scenario);
  await world.advance(RECOVERY_MS);
  for (let round = 0; round <= jobs.length; round += 1) {
    for (const job of scenario.in('mounted')) await scenario.unload(job);
    await world.advance(MINUTE_MS + SETTLING_MS);
    await scenario.check();
  }
  for (const job of scenario.in('mounted')) await scenario.unload(job);
  await rejectRefused(scenario);
  const [left] = scenario.in('waiting');
  hold(left === undefined, () => `request ${left?.requestNumber} for ${left?.volume} stays open`);
  await world.advance(MINUTE_MS);
  // A host that is loaded anew tells of no end.
  const over = (await east.catalog.listMountRequests()).filter(
    ({ requestNumber }) => !jobs.some((job) => job.requestNumber === requestNumber && job.lost),
  );
  hold(over.length === 0, () => `request ${over[0]?.requestNumber} waits for nobody`);
  scenario.checkHeardAll();
  for (const tape of MOUNT_TAPES) await checkAtRest(scenario, tape);
}

/** What nobody will give back, and what nobody will answer. */
async function giveUp(scenario: MountScenario): Promise<void> {
  const { profile } = scenario;
  for (const tape of MOUNT_TAPES) {
    const mount = await scenario.openMount(tape);
    const isNobodys = !scenario.in('mounted').some((job) => job.volume === tape);
    const isLeft = profile.coldLoads === true && isNobodys;
    if (mount !== undefined && (mount.requestNumber === undefined || isLeft)) {
      await scenario.unmountByHand(tape);
    }
  }
  for (const job of scenario.in('waiting')) {
    const isLeft = job.droppedInLife !== undefined || profile.restricted === true;
    if (isLeft) await scenario.reject(job);
  }
}

/** What the host gave back for another request of the volume is not mounted for ever. */
async function rejectRefused(scenario: MountScenario): Promise<void> {
  const requests = await scenario.east.catalog.listMountRequests();
  const refused = requests.filter(({ reason }) => reason.endsWith(`${REFUSALS_MAX} times`));
  for (const job of scenario.in('waiting')) {
    const isRefused = refused.some((row) => row.requestNumber === job.requestNumber);
    if (isRefused) await scenario.reject(job);
  }
}

/** A tape that lies says when it was mounted last, and an operator may do with it what he likes. */
async function checkAtRest(scenario: MountScenario, name: string): Promise<void> {
  const { catalog } = scenario.east;
  const isAwaited = (await catalog.listMountRequests()).some(({ tape }) => tape === name);
  if (isAwaited || (await scenario.openMount(name)) !== undefined) return;
  const last = (await catalog.listMounts({ tape: name })).at(-1);
  const row = await catalog.findTape(name);
  hold(
    row?.mountedAtMs === last?.mountedAtMs && row?.dismountedAtMs === last?.dismountedAtMs,
    () => `${name} does not say when it was mounted last`,
  );
  const error = await scenario.call('tape.erase', { name }).then(
    () => undefined,
    (reason: unknown) => String(reason),
  );
  hold(error === undefined, () => `${name} lies, and cannot be erased: ${error}`);
}
