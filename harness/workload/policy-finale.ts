/**
 * The end of a policy case: faults cease and time goes by. Every command that came through whole was taken,
 * nothing is left under way, everything is migrated, and what is past its retention is erased by the schedule.
 */
import { MINUTE_MS } from '../../src/base/units.ts';
import { hold } from '../checker/violation.ts';
import { DAY_MS, POLICY_TAPES } from './policy-scenario.ts';
import type { PolicyScenario } from './policy-scenario.ts';

/** Two clients' time-outs for each tape fit into it. */
const SETTLING_MS = 60 * MINUTE_MS;
const HEARING_MS = 5000;
const MIN_SIZE_BYTES = 2000;

export async function policyFinale(scenario: PolicyScenario): Promise<void> {
  const { world, server, backup, checker } = scenario;
  world.trace.record('> finale');
  server.cancelCrash();
  backup.behaviour = 'works';
  backup.durationMs = 1000;
  server.fileSystem = { id: 'disk', totalBytes: 20_000, freeBytes: 20_000 };
  if (!server.running) await scenario.restart();
  await world.advance(SETTLING_MS);
  for (const [index, { name }] of POLICY_TAPES.entries()) {
    // A request that was cancelled while it was answered leaves its tape in the drive.
    const open = await server.catalog.listMounts({ open: true });
    const isLeft = open.some((mount) => mount.tape === name);
    if (scenario.mounted[index] === undefined && isLeft) await scenario.mount(index);
    // The server hears that the request was satisfied before the tape comes back.
    await world.advance(HEARING_MS);
    if (scenario.mounted[index] !== undefined) await scenario.writeAndUnload(index, 0);
  }
  await checkAtRest(scenario);
  await scenario.operate('pool.unlock', { name: 'SHORT' });
  for (const { name } of POLICY_TAPES) await scenario.operate('tape.unlock', { name });
  await scenario.operate('cleanup.reset');
  checker.marks.clear();
  for (const pool of ['SHORT', 'LONG']) {
    scenario.send('macro', `VTSPolicy TSM 'archive /VAULT00/${pool}'`, []);
  }
  await world.advance(SETTLING_MS);
  await checkAtRest(scenario);
  await checkMigrated(scenario);
  const before = await server.catalog.listTapes('LONG');
  await world.advance(4 * DAY_MS);
  await checkAtRest(scenario);
  for (const tape of await server.catalog.listTapes('SHORT')) {
    hold(
      tape.payloadBytes < MIN_SIZE_BYTES,
      () => `${tape.name} is migrated and past its retention, and was not erased`,
    );
  }
  const after = await server.catalog.listTapes('LONG');
  for (const [index, tape] of after.entries()) {
    const was = before[index]?.payloadBytes;
    const keeps = (await server.catalog.listMigrations()).every(
      (row) => row.tape !== tape.name || row.keepMs === undefined,
    );
    hold(!keeps || was === tape.payloadBytes, () => `${tape.name} has no retention and was erased`);
  }
}

/** Nothing is under way, and nothing is left over. */
async function checkAtRest(scenario: PolicyScenario): Promise<void> {
  const { server, checker } = scenario;
  const { catalog } = server;
  await scenario.check();
  const running = await catalog.listPolicyRuns({ running: true, limit: 1 });
  hold(running.length === 0, () => `"${running[0]?.text ?? ''}" has no end`);
  const [lock] = await catalog.listLocks();
  hold(lock === undefined, () => `a lock by ${lock?.process ?? ''} is left on ${lock?.tape ?? ''}`);
  const [erasure] = await catalog.listErasures();
  hold(erasure === undefined, () => `the erase of ${erasure?.tape ?? ''} is left under way`);
  const taken = new Set((await catalog.listPolicyRuns({ limit: 10_000 })).map((run) => run.text));
  for (const { text } of checker.sent) {
    // What FUP may cut has another text; what is for west is none of ours.
    if (text.length > 102 || text.includes('s=west')) continue;
    const clean = text.replaceAll(/ +/g, ' ');
    hold(taken.has(clean), () => `"${text}" was sent and not taken`);
  }
}

async function checkMigrated({ server }: PolicyScenario): Promise<void> {
  const migrations = await server.catalog.listMigrations();
  for (const { name, generation, payloadBytes } of await server.catalog.listTapes()) {
    const migration = migrations.find((row) => row.tape === name);
    hold(
      payloadBytes === 0 || migration?.generation === generation,
      () => `${name} was not migrated at generation ${generation}`,
    );
  }
}
