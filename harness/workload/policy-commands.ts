/** What may happen in a scenario of commands and clean-up, and which faults a case has. */
import fc from 'fast-check';
import { MINUTE_MS, SECOND_MS } from '../../src/base/units.ts';
import { BMA_BEHAVIOURS } from '../peers/backup-application.ts';
import { advanceForm, count, flag, formsFor, oneOf, optional, quotedText } from './command-form.ts';
import type { DrawnCommand } from './command-form.ts';
import { CRASH_POINTS, leftovers } from './fault-profile.ts';
import { DAY_MS, POLICY_TAPES, tapeName } from './policy-scenario.ts';
import type { PolicyProfile, PolicyRoute, PolicyScenario } from './policy-scenario.ts';

type OfTape = Readonly<{ tape: string }>;

const NAMES = POLICY_TAPES.map(({ name }) => name);

const form = formsFor<PolicyScenario>();
const tape = oneOf(...NAMES);
const route = oneOf('macro', 'fup', 'netbatch');
const powerCut = flag(', power cut');

const runs = ({ server }: Readonly<PolicyScenario>): boolean => server.running;
const indexOf = ({ tape: name }: OfTape): number => NAMES.findIndex((each) => each === name);

const has =
  (fault: keyof PolicyProfile) =>
  (scenario: Readonly<PolicyScenario>): boolean =>
    scenario.profile[fault] === true && scenario.server.running;

const isIdle = (scenario: Readonly<PolicyScenario>, each: OfTape): boolean =>
  runs(scenario) && scenario.mounted[indexOf(each)] === undefined;

async function backUpTape(scenario: PolicyScenario, index: number, blocks: number): Promise<void> {
  await scenario.mount(index);
  if (scenario.mounted[index] !== undefined) await scenario.writeAndUnload(index, blocks);
}

const backUp = form('backup({tape}, {blocks} blocks)', {
  fields: { tape, blocks: count },
  possible: isIdle,
  perform: (scenario, each) => backUpTape(scenario, indexOf(each), each.blocks),
});

const mount = form('mount({tape})', {
  fields: { tape },
  possible: isIdle,
  perform: (scenario, each) => scenario.mount(indexOf(each)),
});

const unload = form('unload({tape}, {blocks} blocks)', {
  fields: { tape, blocks: count },
  possible: ({ mounted }, each) => mounted[indexOf(each)] !== undefined,
  perform: (scenario, each) => scenario.writeAndUnload(indexOf(each), each.blocks),
});

/** The host sends a command of VTSPolicy; what an Erase names may be erased, where it is for this server. */
const send = form('{route}({text})', {
  fields: { route, text: quotedText },
  perform: (scenario, each) => sendText(scenario, each),
});

async function sendText(
  scenario: PolicyScenario,
  { route: by, text }: { readonly route: PolicyRoute; readonly text: string },
): Promise<void> {
  const mayErase = text.startsWith('VTSPolicy Erase') && !text.includes('s=west');
  scenario.send(by, text, mayErase ? NAMES.filter((name) => text.includes(name)) : []);
  await scenario.world.advance(2 * SECOND_MS);
}

/** The line stops behind so many lines of the command, and goes on after a second. */
const sendSlowly = form('{route}({text}, stops behind {lines} lines)', {
  fields: { route, text: quotedText, lines: count },
  perform: async (scenario, { lines, ...each }) => {
    const { wire, world } = scenario;
    wire.stallBehind(lines, 'lines', () => {
      world.clock.after(SECOND_MS, () => wire.heal());
    });
    await sendText(scenario, each);
  },
});

/** What an ordinary night does: a backup, and its migration. */
async function archiveTape(scenario: PolicyScenario, index: number, blocks: number): Promise<void> {
  await backUpTape(scenario, index, blocks);
  const { pool = '' } = POLICY_TAPES[index] ?? {};
  scenario.send('macro', `VTSPolicy TSM 'archive /VAULT00/${pool}'`, []);
  await scenario.world.advance(MINUTE_MS);
}

const archive = form('archive({tape}, {blocks} blocks)', {
  fields: { tape, blocks: count },
  possible: isIdle,
  perform: (scenario, each) => archiveTape(scenario, indexOf(each), each.blocks),
});

const mood = form('application({behaviour}, {ms} ms)', {
  fields: { behaviour: oneOf(...BMA_BEHAVIOURS), ms: count },
  possible: ({ profile }) => profile.moods,
  perform: (scenario, { behaviour, ms }) => {
    scenario.backup.behaviour = behaviour;
    scenario.backup.durationMs = ms;
  },
});

const lock = form('{kind}({tape})', {
  fields: { kind: oneOf('lock', 'unlock'), tape },
  possible: has('locks'),
  perform: (scenario, each) => scenario.operate(`tape.${each.kind}`, { name: each.tape }),
});

const lockPool = form('{kind}Pool(SHORT)', {
  fields: { kind: oneOf('lock', 'unlock') },
  possible: has('locks'),
  perform: (scenario, { kind }) => scenario.operate(`pool.${kind}`, { name: 'SHORT' }),
});

/** Until the answer comes, a decision may or may not stand: the checker then takes what is recorded. */
async function decideOn(
  scenario: PolicyScenario,
  name: string,
  decision: 'authorize' | 'forbid',
): Promise<void> {
  const answer = await scenario.operate(`cleanup.${decision}`, { tapes: [name] });
  if (answer === undefined) await adoptMarks(scenario);
  else scenario.checker.marks.set(name, decision === 'authorize' ? 'erase' : 'keep');
}

const decide = form('{decision}({tape})', {
  fields: { decision: oneOf('authorize', 'forbid'), tape },
  possible: (scenario, { decision }) =>
    runs(scenario) && (decision === 'authorize' || scenario.profile.forbids),
  perform: (scenario, each) => decideOn(scenario, each.tape, each.decision),
});

/** A user forbids what the next nights would erase. */
const keepOvernight = form('keepOvernight({tape}, {blocks} blocks)', {
  fields: { tape, blocks: count },
  possible: (scenario, each) => scenario.profile.forbids && isIdle(scenario, each),
  perform: async (scenario, each) => {
    await archiveTape(scenario, indexOf(each), each.blocks);
    if (runs(scenario)) await decideOn(scenario, each.tape, 'forbid');
    await scenario.world.advance(2 * DAY_MS);
  },
});

const reset = form('reset()', {
  possible: runs,
  perform: async (scenario) => {
    if ((await scenario.operate('cleanup.reset')) === undefined) await adoptMarks(scenario);
    else scenario.checker.marks.clear();
  },
});

async function adoptMarks({ server, checker }: PolicyScenario): Promise<void> {
  checker.marks.clear();
  for (const { tape: name, decision } of await server.catalog.listCleanupMarks()) {
    checker.marks.set(name, decision);
  }
}

const cleanup = form('cleanup.{what}()', {
  fields: { what: oneOf('scan', 'erase') },
  possible: runs,
  perform: (scenario, { what }) => scenario.operate(`cleanup.${what}`),
});

const disk = form('disk({used} %)', {
  fields: { used: count },
  perform: ({ server }, { used }) => {
    const totalBytes = 20_000;
    const freeBytes = (totalBytes * (100 - used)) / 100;
    server.fileSystem = { id: 'disk', totalBytes, freeBytes };
  },
});

const advance = advanceForm<PolicyScenario>();

const cutWire = form('cut(host)', {
  perform: async ({ wire, world }) => {
    wire.cut();
    await world.advance(SECOND_MS);
  },
});

const crash = form('crash({how})', {
  fields: { how: oneOf('kill', 'power cut') },
  possible: (scenario, { how }) =>
    has('crashes')(scenario) && (how === 'kill' || scenario.profile.powerCuts),
  perform: ({ server }, { how }) => server.crash(how === 'kill' ? 'kill' : 'power-cut'),
});

const crashInside = form('crashInside({place} operation {after}{powerCut})', {
  fields: { place: oneOf('disk', 'catalog'), after: count, powerCut },
  possible: (scenario, each) =>
    has('crashesInside')(scenario) && (!each.powerCut || scenario.profile.powerCuts),
  perform: ({ server }, each) =>
    server.planCrash({
      in: each.place,
      count: each.after,
      kind: each.powerCut ? 'power-cut' : 'kill',
    }),
});

/** What an erase does in the catalog, in its order. */
const ERASE_STEPS = [
  'putErasure',
  'takeLock',
  'recordErase',
  'releaseLock',
  'deleteErasure',
] as const;

/** A user authorizes and erases, and the process may be killed before or behind one of its steps. */
const authorizeAndErase = form('authorizeAndErase({tape}{crashAt}{behind})', {
  fields: {
    tape,
    crashAt: optional(', crash at ', oneOf(...ERASE_STEPS)),
    behind: flag(', behind it'),
  },
  possible: (scenario, { crashAt }) =>
    crashAt === undefined ? runs(scenario) : has('crashesInside')(scenario),
  perform: async (scenario, each) => {
    const { server, checker } = scenario;
    const { crashAt, behind } = each;
    const answer = await scenario.operate('cleanup.authorize', { tapes: [each.tape] });
    if (answer === undefined) return adoptMarks(scenario);
    checker.marks.set(each.tape, 'erase');
    if (crashAt !== undefined) {
      server.planCrash({ in: 'catalog', of: crashAt, count: behind ? 1 : 0, kind: 'kill' });
    }
    await scenario.operate('cleanup.erase');
    if (crashAt !== undefined) server.cancelCrash();
  },
});

const restart = form('restart()', {
  possible: ({ server }) => !server.running,
  perform: (scenario) => scenario.restart(),
});

export const policyProfile: fc.Arbitrary<PolicyProfile> = fc.record({
  worldSeed: fc.nat(),
  crashes: fc.boolean(),
  crashesInside: fc.boolean(),
  powerCuts: fc.boolean(),
  moods: fc.boolean(),
  locks: fc.boolean(),
  forbids: fc.boolean(),
  leftovers,
});

const index = fc.nat({ max: POLICY_TAPES.length - 1 });
const tapes = { tape: fc.constantFrom(...NAMES) };
const routes = { route: fc.constantFrom('macro' as const, 'fup' as const, 'netbatch' as const) };
const blocks = fc.nat({ max: 5 });
const pathOf = (each: number): string =>
  `/VAULT00/${POLICY_TAPES[each]?.pool ?? ''}/${tapeName(each)}`;

/** Both orders of what makes a text long: the server's name comes last, so it is what a cut takes. */
const eraseTexts: fc.Arbitrary<string> = fc
  .record({
    tapes: fc.uniqueArray(index, { minLength: 1, maxLength: 2 }),
    source: fc.constantFrom('east', 'west', undefined),
    quoted: fc.boolean(),
    /** Tapes that are not there, which make the text longer; and blanks that do. */
    strangers: fc.constantFrom(0, 0, 3, 7, 10, 13, 16),
    blanks: fc.constantFrom(1, 1, 1, 3, 9),
  })
  .map(({ source, quoted, strangers, blanks, tapes: named }) => {
    const others = Array.from({ length: strangers }, (_, at) => `X${at}`);
    const from = source === undefined ? [] : [`s=${source}`];
    const body = ['-', ...named.map(pathOf), ...others, ...from].join(' '.repeat(blanks));
    return `VTSPolicy Erase ${quoted ? `"${body}"` : body}`;
  });
const migrationPaths = fc.oneof(
  fc.constantFrom('/VAULT00/SHORT', '/VAULT00/LONG'),
  index.map(pathOf),
);
const migrationTexts = (keeps: fc.Arbitrary<boolean>): fc.Arbitrary<string> =>
  fc
    .tuple(migrationPaths, keeps)
    .map(([path, keep]) => `VTSPolicy TSM 'archive ${path}${keep ? ' r=2,d' : ''}'`);

const eraseCrash = { crashAt: fc.constantFrom(...ERASE_STEPS), behind: fc.boolean() };
const noCrash = { crashAt: fc.constant(undefined), behind: fc.constant(false) };
const times = fc.constantFrom(MINUTE_MS, 10 * MINUTE_MS, DAY_MS / 2, DAY_MS, 2 * DAY_MS);

/** With their weights. */
export const POLICY_COMMANDS: readonly DrawnCommand<PolicyScenario>[] = [
  backUp.drawn({ ...tapes, blocks }, 3),
  archive.drawn({ ...tapes, blocks: blocks.map((each) => each + 2) }, 4),
  mount.drawn(tapes),
  unload.drawn({ ...tapes, blocks }),
  send.drawn({ ...routes, text: eraseTexts }, 2),
  send.drawn({ ...routes, text: migrationTexts(fc.boolean()) }),
  send.drawn({ ...routes, text: migrationTexts(fc.constant(false)) }, 2),
  sendSlowly.drawn({
    route: fc.constantFrom('macro' as const, 'fup' as const),
    text: eraseTexts,
    lines: fc.integer({ min: 1, max: 3 }),
  }),
  mood.drawn({
    behaviour: fc.constantFrom(...BMA_BEHAVIOURS),
    ms: fc.constantFrom(1000, 40_000, 240_000),
  }),
  mood.drawn({ behaviour: fc.constant('works'), ms: fc.constantFrom(1000, 40_000) }),
  lock.drawn({ kind: fc.constantFrom('lock', 'unlock'), ...tapes }),
  lockPool.drawn({ kind: fc.constantFrom('lock', 'unlock') }),
  decide.drawn({ decision: fc.constant('authorize'), ...tapes }, 2),
  decide.drawn({ decision: fc.constant('forbid'), ...tapes }),
  keepOvernight.drawn({ ...tapes, blocks: blocks.map((each) => each + 2) }),
  reset.drawn({}),
  cleanup.drawn({ what: fc.constant('scan') }),
  cleanup.drawn({ what: fc.constant('erase') }, 2),
  disk.drawn({ used: fc.constantFrom(10, 79, 95, 99) }),
  advance.drawn({ time: times }),
  advance.drawn({ time: fc.constantFrom(MINUTE_MS, DAY_MS) }),
  cutWire.drawn({}),
  crash.drawn({ how: fc.constantFrom('kill', 'power cut') }),
  crashInside.drawn(CRASH_POINTS, 2),
  authorizeAndErase.drawn({ ...tapes, ...eraseCrash }, 3),
  authorizeAndErase.drawn({ ...tapes, ...noCrash }, 2),
  restart.drawn({}, 3),
];
