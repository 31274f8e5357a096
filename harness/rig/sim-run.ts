/** What `capstan sim` does: kept cases first, then a search; or one failure again. */
import { basename } from 'node:path';
import { parseKeptCase, runKeptCase } from '../replay/kept-case.ts';
import type { KeptCase } from '../replay/kept-case.ts';
import { formatFailure, formatVirtualTime } from '../replay/report.ts';
import { replay as replayCase, search } from '../replay/search.ts';
import type { SearchResult, Shard } from '../replay/search.ts';
import { parseToken } from '../replay/token.ts';
import { SCENARIOS, findMutant, findScenario } from '../scenarios/registry.ts';
import type { Scenario } from '../scenarios/scenario.ts';
import { newNativeVault } from './native-vault.ts';
import {
  freshSeed,
  gitCommit,
  isFile,
  keptSeeds,
  readSeedFile,
  realMs,
} from './sim-environment.ts';

type Print = (line: string) => void;

export interface SimRequest {
  readonly scenario?: string;
  readonly runs?: number;
  readonly seed?: number;
  readonly shard?: Shard;
  readonly replay?: string;
  readonly mutant?: string;
}

/** Whether it ended as it should: nothing broke, or, of a mutant, something did. */
export async function runSim(request: SimRequest, print: Print): Promise<boolean> {
  const { replay } = request;
  if (replay !== undefined && isFile(replay)) {
    const kept = parseKeptCase(readSeedFile(replay).text);
    return (await runKept(replay, kept, print)) === (kept.mutant === undefined);
  }
  if (replay !== undefined) {
    const address = parseToken(replay);
    const scenario = findScenario(address.scenario);
    return timed({ ...address, scenario }, print, (options) => replayCase(options, address));
  }
  const scenario = findScenario(request.scenario ?? SCENARIOS[0].name);
  if (request.mutant === undefined && !(await runAllKept(scenario, print))) return false;
  const { seed = freshSeed(), runs = scenario.runsDefault, shard, mutant } = request;
  const of = shard === undefined ? '' : `, shard ${shard.index} of ${shard.count}`;
  const planted = mutant === undefined ? '' : `, ${mutant}`;
  print(`${scenario.name}: seed ${seed}, ${runs} runs${of}${planted}`);
  return timed({ scenario, mutant }, print, (options) => search({ ...options, seed, runs, shard }));
}

/** Whether none of a scenario's kept cases breaks, but for a planted bug's. */
async function runAllKept(scenario: Scenario, print: Print): Promise<boolean> {
  for (const { path, text } of keptSeeds()) {
    const kept = parseKeptCase(text);
    if (kept.scenario !== scenario.name) continue;
    if ((await runKept(path, kept, print)) !== (kept.mutant === undefined)) return false;
  }
  return true;
}

type SearchCall = (options: Parameters<typeof replayCase>[0]) => Promise<SearchResult>;

async function timed(
  { scenario, mutant }: { readonly scenario: Scenario; readonly mutant: string | undefined },
  print: Print,
  call: SearchCall,
): Promise<boolean> {
  const startMs = realMs();
  const { failure, runCount, virtualMs } = await call({
    scenario,
    mutant: mutant === undefined ? undefined : findMutant(scenario, mutant),
    newVault: newNativeVault,
  });
  const seconds = (realMs() - startMs) / 1000;
  if (failure === undefined) {
    print(
      `${runCount} runs, ${formatVirtualTime(virtualMs)}, no invariant broken; ` +
        `${(runCount / seconds).toFixed(1)} runs/s`,
    );
    return mutant === undefined;
  }
  print(formatFailure(failure, { scenario, mutant, commit: gitCommit() }));
  return mutant !== undefined;
}

/** Whether no invariant broke. */
async function runKept(path: string, kept: KeptCase, print: Print): Promise<boolean> {
  const { error, trace } = await runKeptCase(kept, newNativeVault);
  const verdict = error === undefined ? 'holds' : `breaks: ${error.message}`;
  print(`${basename(path)}: ${verdict} (trace ${trace.hash})`);
  if (error !== undefined && kept.mutant === undefined) trace.lines.slice(-60).forEach(print);
  return error === undefined;
}

/** Prints the scenarios with their mutants, and the kept cases. */
export function listSim(print: Print, asJson: boolean): void {
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
