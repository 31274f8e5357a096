/**
 * The laboratory's third part: VTSPolicy commands as the host sends them, by a TACL macro's event and by FUP,
 * and what becomes of each: done, failed, refused, or another server's.
 */
import { readFile } from 'node:fs/promises';
import { systemClock } from '../../src/platform/system-clock.ts';
import type { TapeRow } from '../../src/ports/catalog.ts';
import type { IdrRunRow } from '../../src/ports/catalog-instant-dr.ts';
import type { PolicyRunRow } from '../../src/ports/catalog-policy.ts';
import { sleep } from '../../src/ports/clock.ts';
import { sendByFup, sendByMacro } from '../hosts/policy-routes.ts';
import { IDR_POOL, SCHEME, runEnded } from './lab-instant-dr.ts';
import { StepFailure } from './lab-record.ts';
import type { LabRecord, LabSites, StepInHand } from './lab-record.ts';
import { NO_OPTIONS_FILE, SILENCE_MS, clientLedger } from './lab-sites.ts';
import type { LabSite } from './lab-sites.ts';
import { versionAt } from './lab-tapes.ts';
import type { LabTapes } from './lab-tapes.ts';

export const MONTHLY = 'MONTHLY';
export const YEARLY = 'YEARLY';
/** In {@link MONTHLY}. */
export const MONTHLY_TAPES = ['MON001', 'MON002', 'MON003', 'MON004'] as const;
/** In {@link YEARLY}. */
export const YEARLY_TAPE = 'YEA001';
const CHANGED_TAPE = 'WEE001';
const PATH = `/VAULT00/${MONTHLY}`;
const POLL_MS = 20;

type Route = 'macro' | 'FUP';

interface Sent {
  readonly route: Route;
  readonly text: string;
  /** What the server must make of it; undefined where it is another server's. */
  readonly becomes: readonly [PolicyRunRow['state'], RegExp] | undefined;
}

/** In this order; the server carries them out one after another. */
const COMMANDS: readonly Sent[] = [
  {
    route: 'macro',
    text: `VTSPolicy TSM 'archive ${PATH} s=east'`,
    becomes: ['done', /^4 migrated$/],
  },
  {
    route: 'macro',
    text: `VTSPolicy TSM 'archive /VAULT00/${YEARLY}/${YEARLY_TAPE} o=${NO_OPTIONS_FILE}'`,
    becomes: ['failed', /^1 failed$/],
  },
  {
    route: 'macro',
    text: `VTSPolicy TSM 'archive /VAULT00/${YEARLY}/${YEARLY_TAPE} r=14,d'`,
    becomes: ['done', /^1 migrated$/],
  },
  { route: 'FUP', text: `VTSPolicy Erase - MON003 s=east`, becomes: ['done', /^1 erased$/] },
  {
    // FUP hands on 102 characters: of this one all but the server that it is for.
    route: 'FUP',
    text: `VTSPolicy Erase - ${PATH}/MON001 ${PATH}/MON002 /VAULT00/${YEARLY}/${YEARLY_TAPE} MON004 WEE002 s=west`,
    becomes: ['refused', /102 characters/],
  },
  { route: 'macro', text: 'VTSPolicy Delete - MON001 s=west', becomes: undefined },
  {
    route: 'macro',
    text: `VTSPolicy IDR "/VAULT00/${IDR_POOL} s=east"`,
    becomes: ['done', /^1 dispatched$/],
  },
];

/** Shows VTSPolicy: the tapes that it is about, the commands, and what came of them. */
export async function showPolicy(
  record: LabRecord,
  sites: LabSites,
  tapes: LabTapes,
): Promise<void> {
  const { east } = sites;
  await record.step('The host writes tapes of the month and of the year', async () => {
    await tapes.create(east, MONTHLY, MONTHLY_TAPES);
    await tapes.create(east, YEARLY, [YEARLY_TAPE]);
    for (const volume of [...MONTHLY_TAPES, YEARLY_TAPE, CHANGED_TAPE]) {
      await tapes.write(east, volume);
    }
    return { lines: [`${[...MONTHLY_TAPES, YEARLY_TAPE].join(', ')}; and ${CHANGED_TAPE} again`] };
  });
  await record.step('The host sends VTSPolicy commands, by macro and by FUP', (step) =>
    sendCommands(step, sites),
  );
}

async function sendCommands(step: StepInHand, { east, west }: LabSites) {
  for (const { route, text } of COMMANDS) {
    if (route === 'macro') sendByMacro(east.host.collector, text);
    else sendByFup(east.host.collector, text);
  }
  const taken = COMMANDS.filter(({ becomes }) => becomes !== undefined);
  const runs = await ended(east, taken.length);
  step.check(
    'each command becomes what it must, and that for another server is passed over',
    differencesOf(taken, runs),
  );
  await checkTapes(step, east);
  step.same(
    'the client of the application was run for the migrated tapes, once each, and no other',
    (await readFile(clientLedger(east.home), 'utf8')).trimEnd().split('\n'),
    [
      ...MONTHLY_TAPES.map((tape) => `archive ${PATH}/${tape}`),
      `archive /VAULT00/${YEARLY}/${YEARLY_TAPE}`,
    ],
  );
  const [run] = (await east.call('idr.runs', { scheme: SCHEME, limit: 1 })) as IdrRunRow[];
  const { results } = await runEnded(east, run?.id ?? 0);
  const copied = results.filter(({ outcome }) => outcome === 'copied').map(({ tape }) => tape);
  step.same(
    'the run that the host asked for copies the tape that it had written again',
    [run?.cause, copied, await versionAt(west, CHANGED_TAPE)],
    ['policy', [CHANGED_TAPE], await versionAt(east, CHANGED_TAPE)],
  );
  return { lines: commandTable(runs) };
}

/** The newest runs of commands, oldest first, once as many are over. */
async function ended(site: LabSite, count: number): Promise<readonly PolicyRunRow[]> {
  const giveUpMs = systemClock.monotonicMs() + SILENCE_MS;
  for (;;) {
    const runs = (await site.call('policy.list', {})) as readonly PolicyRunRow[];
    const over = runs.filter(({ state }) => state !== 'running');
    if (over.length === runs.length && over.length >= count) {
      return over.toSorted((one, other) => one.id - other.id);
    }
    if (systemClock.monotonicMs() > giveUpMs) {
      throw new StepFailure(`of ${count} commands ${over.length} are over`);
    }
    await sleep(systemClock, POLL_MS);
  }
}

function differencesOf(taken: readonly Sent[], runs: readonly PolicyRunRow[]): readonly string[] {
  const differences: string[] = [];
  for (const [index, { text, becomes }] of taken.entries()) {
    const run = runs[index];
    const [state, outcome] = becomes ?? [];
    if (run?.state === state && outcome?.test(run?.outcome ?? '') === true) continue;
    differences.push(`${text}: ${run?.state} (${run?.outcome}), expected ${state}, ${outcome}`);
  }
  for (const { text } of runs.slice(taken.length)) differences.push(`${text} was taken, too`);
  return differences;
}

async function checkTapes(step: StepInHand, east: LabSite): Promise<void> {
  const rows = (await east.call('tape.list', {})) as readonly TapeRow[];
  const found = [...MONTHLY_TAPES, YEARLY_TAPE].map((volume) => {
    const row = rows.find(({ name }) => name === volume);
    if (row === undefined) return `${volume} is gone`;
    const { payloadBytes, migratedBy, erasedAtMs } = row;
    const content = payloadBytes > 0 ? 'its data' : 'no data';
    return `${volume} has ${content}, migrated by ${migratedBy}${erasedAtMs === undefined ? '' : ', erased'}`;
  });
  step.same('all are migrated; one is erased, with its metadata kept; no other is touched', found, [
    'MON001 has its data, migrated by vts',
    'MON002 has its data, migrated by vts',
    'MON003 has no data, migrated by vts, erased',
    'MON004 has its data, migrated by vts',
    'YEA001 has its data, migrated by vts',
  ]);
}

function commandTable(runs: readonly PolicyRunRow[]): readonly string[] {
  const taken = [...runs];
  const rows = COMMANDS.map(({ route, text, becomes }) => {
    const run = becomes === undefined ? undefined : taken.shift();
    return {
      route,
      text,
      answer: run === undefined ? 'passed over' : `${run.state}: ${run.outcome}`,
    };
  });
  return rows.flatMap(({ route, text, answer }) => [
    `${route.padEnd(5)}  ${text}`,
    `       ${answer}`,
  ]);
}
