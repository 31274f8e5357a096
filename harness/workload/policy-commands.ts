/** What may happen in a policy scenario, as fast-check commands, and the arbitrary of a case's commands. */
import fc from 'fast-check';
import { MINUTE_MS, SECOND_MS } from '../../src/base/units.ts';
import { BMA_BEHAVIOURS } from '../peers/backup-application.ts';
import type { BmaBehaviour } from '../peers/backup-application.ts';
import type { CrashPoint } from '../world/simulated-server.ts';
import { DAY_MS, POLICY_TAPES, tapeName } from './policy-scenario.ts';
import type { PolicyProfile, PolicyScenario, PolicyRoute } from './policy-scenario.ts';
import { scenarioCommand } from './scenario-command.ts';

export type PolicyScenarioCommand = fc.AsyncCommand<PolicyScenario, PolicyScenario>;

/** Most commands of a case. */
const COMMANDS_MAX = 60;

const command = scenarioCommand<PolicyScenario>;

const runs = ({ server }: Readonly<PolicyScenario>): boolean => server.running;
const always = (): boolean => true;

const has =
  (fault: keyof PolicyProfile) =>
  (scenario: Readonly<PolicyScenario>): boolean =>
    scenario.profile[fault] === true && scenario.server.running;

const backUp = (index: number, blocks: number): PolicyScenarioCommand =>
  command(
    `backup(${tapeName(index)}, ${blocks} blocks)`,
    (scenario) => runs(scenario) && scenario.mounted[index] === undefined,
    async (scenario) => {
      await scenario.mount(index);
      if (scenario.mounted[index] !== undefined) await scenario.writeAndUnload(index, blocks);
    },
  );

const mount = (index: number): PolicyScenarioCommand =>
  command(
    `mount(${tapeName(index)})`,
    (scenario) => runs(scenario) && scenario.mounted[index] === undefined,
    (scenario) => scenario.mount(index),
  );

const unload = (index: number, blocks: number): PolicyScenarioCommand =>
  command(
    `unload(${tapeName(index)}, ${blocks} blocks)`,
    ({ mounted }) => mounted[index] !== undefined,
    (scenario) => scenario.writeAndUnload(index, blocks),
  );

interface EraseShape {
  readonly tapes: readonly number[];
  readonly source: 'east' | 'west' | undefined;
  readonly quoted: boolean;
  /** Tapes that are not there, which make the text longer; and blanks that do. */
  readonly strangers: number;
  readonly blanks: number;
}

/** Both orders of what makes a text long: the server's name comes last, so it is what a cut takes. */
function eraseText({ tapes, source, quoted, strangers, blanks }: EraseShape): string {
  const names = tapes.map(
    (index) => `/VAULT00/${POLICY_TAPES[index]?.pool ?? ''}/${tapeName(index)}`,
  );
  const others = Array.from({ length: strangers }, (_, index) => `X${index}`);
  const words = ['-', ...names, ...others, ...(source === undefined ? [] : [`s=${source}`])];
  const body = words.join(' '.repeat(blanks));
  return `VTSPolicy Erase ${quoted ? `"${body}"` : body}`;
}

const erase = (route: PolicyRoute, shape: EraseShape): PolicyScenarioCommand => {
  const text = eraseText(shape);
  return command(`${route}(${text})`, always, async (scenario) => {
    scenario.send(route, text, shape.source === 'west' ? [] : shape.tapes.map(tapeName));
    await scenario.world.advance(2 * SECOND_MS);
  });
};

const migrate = (route: PolicyRoute, path: string, keep: boolean): PolicyScenarioCommand => {
  const text = `VTSPolicy TSM 'archive ${path}${keep ? ' r=2,d' : ''}'`;
  return command(`${route}(${text})`, always, async (scenario) => {
    scenario.send(route, text, []);
    await scenario.world.advance(2 * SECOND_MS);
  });
};

/** What an ordinary night does: a backup, and its migration. */
const archive = (index: number, blocks: number): PolicyScenarioCommand =>
  command(
    `archive(${tapeName(index)}, ${blocks} blocks)`,
    (scenario) => runs(scenario) && scenario.mounted[index] === undefined,
    async (scenario) => {
      await scenario.mount(index);
      if (scenario.mounted[index] !== undefined) await scenario.writeAndUnload(index, blocks);
      const { pool = '' } = POLICY_TAPES[index] ?? {};
      scenario.send('macro', `VTSPolicy TSM 'archive /VAULT00/${pool}'`, []);
      await scenario.world.advance(MINUTE_MS);
    },
  );

const mood = (behaviour: BmaBehaviour, durationMs: number): PolicyScenarioCommand =>
  command(
    `application(${behaviour}, ${durationMs} ms)`,
    ({ profile }) => profile.moods,
    (scenario) => {
      scenario.backup.behaviour = behaviour;
      scenario.backup.durationMs = durationMs;
    },
  );

const lock = (index: number, locked: boolean): PolicyScenarioCommand =>
  command(`${locked ? 'lock' : 'unlock'}(${tapeName(index)})`, has('locks'), (scenario) =>
    scenario.operate(locked ? 'tape.lock' : 'tape.unlock', { name: tapeName(index) }),
  );

const lockPool = (locked: boolean): PolicyScenarioCommand =>
  command(`${locked ? 'lock' : 'unlock'}Pool(SHORT)`, has('locks'), (scenario) =>
    scenario.operate(locked ? 'pool.lock' : 'pool.unlock', { name: 'SHORT' }),
  );

/** Until the answer comes, a decision may or may not stand: the checker then takes what is recorded. */
const decide = (index: number, decision: 'erase' | 'keep'): PolicyScenarioCommand =>
  command(
    `${decision === 'erase' ? 'authorize' : 'forbid'}(${tapeName(index)})`,
    (scenario) => runs(scenario) && (decision === 'erase' || scenario.profile.forbids),
    async (scenario) => {
      const name = decision === 'erase' ? 'cleanup.authorize' : 'cleanup.forbid';
      const answer = await scenario.operate(name, { tapes: [tapeName(index)] });
      if (answer === undefined) await adoptMarks(scenario);
      else scenario.checker.marks.set(tapeName(index), decision);
    },
  );

const reset = (): PolicyScenarioCommand =>
  command('reset()', runs, async (scenario) => {
    if ((await scenario.operate('cleanup.reset')) === undefined) await adoptMarks(scenario);
    else scenario.checker.marks.clear();
  });

async function adoptMarks({ server, checker }: PolicyScenario): Promise<void> {
  checker.marks.clear();
  for (const { tape, decision } of await server.catalog.listCleanupMarks()) {
    checker.marks.set(tape, decision);
  }
}

const operation = (name: 'cleanup.scan' | 'cleanup.erase'): PolicyScenarioCommand =>
  command(`${name}()`, runs, (scenario) => scenario.operate(name));

const disk = (usedPercent: number): PolicyScenarioCommand =>
  command(`disk(${usedPercent} %)`, always, ({ server }) => {
    const totalBytes = 20_000;
    const freeBytes = (totalBytes * (100 - usedPercent)) / 100;
    server.fileSystem = { id: 'disk', totalBytes, freeBytes };
  });

const advance = (durationMs: number): PolicyScenarioCommand =>
  command(`advance(${durationMs / MINUTE_MS} min)`, always, ({ world }) =>
    world.advance(durationMs),
  );

const cutWire = (): PolicyScenarioCommand =>
  command('cut(host)', always, async ({ wire, world }) => {
    wire.cut();
    await world.advance(SECOND_MS);
  });

const crash = (powerCut: boolean): PolicyScenarioCommand =>
  command(
    `crash(${powerCut ? 'power cut' : 'kill'})`,
    (scenario) => has('crashes')(scenario) && (!powerCut || scenario.profile.powerCuts),
    ({ server }) => server.crash(powerCut ? 'power-cut' : 'kill'),
  );

const crashInside = (point: CrashPoint): PolicyScenarioCommand =>
  command(
    `crashInside(${point.in} operation ${point.count}, ${point.kind})`,
    (scenario) =>
      has('crashesInside')(scenario) && (point.kind === 'kill' || scenario.profile.powerCuts),
    ({ server }) => server.planCrash(point),
  );

/** A user authorizes and erases, and the process may be killed somewhere in it. */
const authorizeAndErase = (index: number, crashAfter: number | undefined): PolicyScenarioCommand =>
  command(
    `authorizeAndErase(${tapeName(index)}${crashAfter === undefined ? '' : `, crash at ${crashAfter}`})`,
    (scenario) => (crashAfter === undefined ? runs(scenario) : has('crashesInside')(scenario)),
    async (scenario) => {
      const { server, checker } = scenario;
      const tape = tapeName(index);
      const answer = await scenario.operate('cleanup.authorize', { tapes: [tape] });
      if (answer === undefined) return adoptMarks(scenario);
      checker.marks.set(tape, 'erase');
      if (crashAfter !== undefined) {
        server.planCrash({ in: 'catalog', count: crashAfter, kind: 'kill' });
      }
      await scenario.operate('cleanup.erase');
      if (crashAfter !== undefined) server.cancelCrash();
    },
  );

const restart = (): PolicyScenarioCommand =>
  command(
    'restart()',
    ({ server }) => !server.running,
    (scenario) => scenario.restart(),
  );

export const policyProfile: fc.Arbitrary<PolicyProfile> = fc.record({
  worldSeed: fc.nat(),
  crashes: fc.boolean(),
  crashesInside: fc.boolean(),
  powerCuts: fc.boolean(),
  moods: fc.boolean(),
  locks: fc.boolean(),
  forbids: fc.boolean(),
  leftovers: fc.constantFrom('ordered' as const, 'ext4' as const, 'any' as const),
});

const index = fc.nat({ max: POLICY_TAPES.length - 1 });
const blocks = fc.nat({ max: 5 });
const route = fc.constantFrom<PolicyRoute[]>('macro', 'fup', 'netbatch');
const shape: fc.Arbitrary<EraseShape> = fc.record({
  tapes: fc.uniqueArray(index, { minLength: 1, maxLength: 2 }),
  source: fc.constantFrom('east' as const, 'west' as const, undefined),
  quoted: fc.boolean(),
  strangers: fc.constantFrom(0, 0, 3, 7, 10, 13, 16),
  blanks: fc.constantFrom(1, 1, 1, 3, 9),
});
const path = fc.oneof(
  fc.constantFrom('/VAULT00/SHORT', '/VAULT00/LONG'),
  index.map((each) => `/VAULT00/${POLICY_TAPES[each]?.pool ?? ''}/${tapeName(each)}`),
);
const crashPoint = fc.record({
  in: fc.constantFrom('disk' as const, 'catalog' as const),
  count: fc.nat({ max: 30 }),
  kind: fc.constantFrom('kill' as const, 'power-cut' as const),
});

/** Catalog operations of an erase: before, in and behind the tape's own. */
const eraseStep = fc.integer({ min: 36, max: 55 });

/** More weight by standing more than once. */
const COMMANDS: readonly fc.Arbitrary<PolicyScenarioCommand>[] = [
  fc.tuple(index, blocks).map(([tape, count]) => backUp(tape, count)),
  fc.tuple(index, blocks).map(([tape, count]) => backUp(tape, count)),
  fc.tuple(index, blocks).map(([tape, count]) => backUp(tape, count)),
  fc.tuple(index, blocks).map(([tape, count]) => archive(tape, count + 2)),
  fc.tuple(index, blocks).map(([tape, count]) => archive(tape, count + 2)),
  fc.tuple(index, blocks).map(([tape, count]) => archive(tape, count + 2)),
  fc.tuple(index, blocks).map(([tape, count]) => archive(tape, count + 2)),
  index.map(mount),
  fc.tuple(index, blocks).map(([tape, count]) => unload(tape, count)),
  fc.tuple(route, shape).map(([by, text]) => erase(by, text)),
  fc.tuple(route, shape).map(([by, text]) => erase(by, text)),
  fc.tuple(route, path, fc.boolean()).map(([by, where, keep]) => migrate(by, where, keep)),
  fc.tuple(route, path).map(([by, where]) => migrate(by, where, false)),
  fc.tuple(route, path).map(([by, where]) => migrate(by, where, false)),
  fc
    .tuple(fc.constantFrom(...BMA_BEHAVIOURS), fc.constantFrom(1000, 40_000, 240_000))
    .map(([behaviour, durationMs]) => mood(behaviour, durationMs)),
  fc.constantFrom(1000, 40_000).map((durationMs) => mood('works', durationMs)),
  fc.tuple(index, fc.boolean()).map(([tape, locked]) => lock(tape, locked)),
  fc.boolean().map(lockPool),
  fc
    .tuple(index, fc.constantFrom('erase' as const, 'keep' as const))
    .map(([tape, what]) => decide(tape, what)),
  index.map((tape) => decide(tape, 'erase')),
  fc.constant(reset()),
  fc.constant(operation('cleanup.scan')),
  fc.constant(operation('cleanup.erase')),
  fc.constant(operation('cleanup.erase')),
  fc.constantFrom(10, 79, 95, 99).map(disk),
  fc.constantFrom(MINUTE_MS, 10 * MINUTE_MS, DAY_MS / 2, DAY_MS, 2 * DAY_MS).map(advance),
  fc.constantFrom(MINUTE_MS, DAY_MS).map(advance),
  fc.constant(cutWire()),
  fc.boolean().map(crash),
  crashPoint.map(crashInside),
  crashPoint.map(crashInside),
  fc.tuple(index, eraseStep).map(([tape, at]) => authorizeAndErase(tape, at)),
  fc.tuple(index, eraseStep).map(([tape, at]) => authorizeAndErase(tape, at)),
  fc.tuple(index, eraseStep).map(([tape, at]) => authorizeAndErase(tape, at)),
  index.map((tape) => authorizeAndErase(tape, undefined)),
  index.map((tape) => authorizeAndErase(tape, undefined)),
  fc.constant(restart()),
  fc.constant(restart()),
  fc.constant(restart()),
];

export function policyCommands(): fc.Arbitrary<Iterable<PolicyScenarioCommand>> {
  return fc.commands([...COMMANDS], { maxCommands: COMMANDS_MAX, size: 'max' });
}
