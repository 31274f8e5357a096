/** What `capstan sim` does: kept cases first, then a search; or one failure again. */
import { basename } from 'node:path';
import { assert } from '../../src/base/assert.ts';
import { isPlanted } from '../mutants/mutant.ts';
import { runCase } from '../replay/case.ts';
import { parseKeptCase, runKeptCase } from '../replay/kept-case.ts';
import { formatRequest, htmlReport, jsonReport, textReport } from '../replay/report.ts';
import type { SimReport } from '../replay/report.ts';
import { replay as replayCase, search } from '../replay/search.ts';
import type { SearchResult, Shard } from '../replay/search.ts';
import { parseToken } from '../replay/token.ts';
import {
  SCENARIOS,
  findMutant,
  findScenario,
  findScenarioOfMutant,
} from '../scenarios/registry.ts';
import type { Scenario } from '../scenarios/scenario.ts';
import { newNativeVault } from './native-vault.ts';
import {
  LineFile,
  freshSeed,
  gitCommit,
  isFile,
  keptSeeds,
  processorSeconds,
  readSeedFile,
  realMs,
} from './sim-environment.ts';

export interface SimRequest {
  readonly scenario?: string;
  readonly runs?: number;
  readonly seed?: number;
  readonly shard?: Shard;
  readonly replay?: string;
  readonly mutant?: string;
  /** Ends the search behind the case that goes. */
  readonly signal?: AbortSignal;
}

export const REPORTS = { text: textReport, json: jsonReport, html: htmlReport } as const;

/** `say`: is told at once what is run, so that also a run that is broken off can be repeated. */
export async function runSim(request: SimRequest, say: (line: string) => void): Promise<SimReport> {
  const { replay } = request;
  const startMs = realMs();
  const spent = (): Pick<SimReport, 'seconds' | 'processorSeconds'> => ({
    seconds: (realMs() - startMs) / 1000,
    processorSeconds: processorSeconds(),
  });
  const commit = gitCommit();
  if (replay !== undefined && isFile(replay)) {
    return { ...(await replayFile(replay)), commit, ...spent() };
  }
  const address = replay === undefined ? undefined : parseToken(replay);
  const planted = address === undefined ? request.mutant : address.mutant;
  const scenario = scenarioOf(address?.scenario ?? request.scenario, planted);
  const mutant = planted === undefined ? undefined : findMutant(scenario, planted);
  const options = { scenario, mutant, newVault: newNativeVault };
  const { seed = freshSeed(), runs = scenario.runsDefault, shard } = request;
  const blank: SimReport = {
    scenario,
    mutant: mutant?.name,
    commit,
    search: address === undefined ? { seed, runs, shard } : undefined,
    kept: [],
    runCount: 0,
    virtualMs: 0,
    seconds: 0,
    processorSeconds: 0,
    shown: undefined,
    found: undefined,
  };
  if (address !== undefined) {
    const result = await replayCase(options, address);
    return { ...blank, ...sumOf(result), ...spent() };
  }
  say(formatRequest(blank));
  const kept = mutant === undefined ? await runAllKept(scenario) : { lines: [], broken: undefined };
  const first = { ...blank, kept: kept.lines };
  if (kept.broken !== undefined) return { ...first, ...kept.broken, ...spent() };
  const result = await search({ ...options, seed, runs, shard, signal: request.signal });
  return { ...first, ...sumOf(result), ...spent() };
}

/**
 * Writes all of the trace of the case that a report shows, by running it once more; how many lines. Keeps
 * nothing of it in memory. Undefined where nothing was run.
 */
export async function writeTrace(
  { scenario, mutant, shown }: SimReport,
  path: string,
): Promise<number | undefined> {
  if (shown === undefined) return undefined;
  const file = new LineFile(path);
  const planted = mutant === undefined ? undefined : findMutant(scenario, mutant);
  const { profile, executed } = shown;
  const { trace } = await runCase(
    {
      scenario,
      profile,
      mutant: planted,
      newVault: newNativeVault,
      onTraceLine: (line) => file.write(line),
    },
    executed.map(scenario.parse),
  );
  file.close();
  assert(trace.hash === shown.trace.hash, 'the same case leaves the same trace');
  return trace.count;
}

/** The bug that is asked for and that only another process can have in its source. Throws INVALID_ARGUMENT. */
export function bugToPlant({ replay, mutant, scenario }: SimRequest): string | undefined {
  const named =
    replay === undefined
      ? { scenario, mutant }
      : isFile(replay)
        ? parseKeptCase(readSeedFile(replay).text)
        : parseToken(replay);
  if (named.mutant === undefined) return undefined;
  const found = findMutant(scenarioOf(named.scenario, named.mutant), named.mutant);
  return isPlanted(found) ? undefined : found.name;
}

/** The one named, or that of the mutant, or the first. Throws INVALID_ARGUMENT. */
function scenarioOf(name: string | undefined, mutant: string | undefined): Scenario {
  if (name !== undefined) return findScenario(name);
  return mutant === undefined ? SCENARIOS[0] : findScenarioOfMutant(mutant);
}

function sumOf({
  failure,
  example,
  runCount,
  virtualMs,
}: SearchResult): Pick<SimReport, 'runCount' | 'virtualMs' | 'shown' | 'found'> {
  return { runCount, virtualMs, shown: failure?.result ?? example, found: failure };
}

/** A file of a kept case. */
async function replayFile(
  path: string,
): Promise<Omit<SimReport, 'commit' | 'seconds' | 'processorSeconds'>> {
  const kept = parseKeptCase(readSeedFile(path).text);
  const shown = await runKeptCase(kept, newNativeVault);
  return {
    scenario: findScenario(kept.scenario),
    mutant: kept.mutant,
    search: undefined,
    kept: [],
    runCount: 1,
    virtualMs: shown.virtualMs,
    shown,
    found: undefined,
  };
}

/** Runs a scenario's kept cases until one does not end as it should; a line for each. */
async function runAllKept(scenario: Scenario): Promise<{
  readonly lines: readonly string[];
  readonly broken: Omit<SimReport, 'commit' | 'seconds' | 'processorSeconds' | 'kept'> | undefined;
}> {
  const lines: string[] = [];
  for (const { path, text } of keptSeeds()) {
    if (parseKeptCase(text).scenario !== scenario.name) continue;
    const { kept: _, ...report } = await replayFile(path);
    const { error, trace } = report.shown ?? {};
    const verdict = error === undefined ? 'holds' : `breaks: ${error.message}`;
    lines.push(`${basename(path)}: ${verdict} (trace ${trace?.hash})`);
    if ((error === undefined) !== (report.mutant === undefined)) return { lines, broken: report };
  }
  return { lines, broken: undefined };
}

/** Prints the scenarios with their mutants, and the kept cases. */
export function listSim(print: (line: string) => void, asJson: boolean): void {
  const kept = keptSeeds().map(({ path, text }) => {
    const { scenario, why, mutant } = parseKeptCase(text);
    return { path, scenario, why, ...(mutant !== undefined && { mutant }) };
  });
  const scenarios = SCENARIOS.map(({ name, what, runsDefault, mutants }) => ({
    name,
    what,
    runsDefault,
    mutants: mutants.map((mutant) => ({ name: mutant.name, what: mutant.what })),
  }));
  if (asJson) {
    print(JSON.stringify({ scenarios, kept }, undefined, 2));
    return;
  }
  for (const { name, what, mutants } of scenarios) {
    print(`${name}: ${what}`);
    for (const mutant of mutants) print(`  --mutant ${mutant.name.padEnd(24)} ${mutant.what}`);
  }
  print('Failures that were kept:');
  for (const { path, scenario, why } of kept) print(`  --replay ${path}  ${scenario}: ${why}`);
}
