/** What `capstan sim` does: kept cases first, then a search; or one failure again. */
import { parseKeptCase, findMutant, runKeptCase } from '../replay/kept-case.ts';
import type { KeptCase } from '../replay/kept-case.ts';
import { formatFailure, formatVirtualTime } from '../replay/report.ts';
import { search } from '../replay/search.ts';
import { parseToken } from '../replay/token.ts';
import { newNativeVault } from './native-vault.ts';
import { MUTANTS } from '../mutants/mutants.ts';
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
  readonly runs: number;
  readonly seed?: number;
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
    const { mutant, ...address } = parseToken(replay);
    return searchAndPrint({ ...address, runs: 1, ...(mutant !== undefined && { mutant }) }, print);
  }
  if (request.mutant === undefined) {
    for (const { path, text } of keptSeeds()) {
      const kept = parseKeptCase(text);
      if ((await runKept(path, kept, print)) !== (kept.mutant === undefined)) return false;
    }
  }
  return searchAndPrint({ ...request, seed: request.seed ?? freshSeed() }, print);
}

interface SearchRequest {
  readonly seed: number;
  readonly runs: number;
  readonly mutant?: string;
  readonly path?: string;
  readonly replayPath?: string;
}

async function searchAndPrint(request: SearchRequest, print: Print): Promise<boolean> {
  const { mutant, ...rest } = request;
  print(`seed ${request.seed}, ${request.runs} runs${mutant === undefined ? '' : `, ${mutant}`}`);
  const startMs = realMs();
  const { failure, runCount, virtualMs } = await search({
    ...rest,
    newVault: newNativeVault,
    mutant: mutant === undefined ? undefined : findMutant(mutant),
  });
  const seconds = (realMs() - startMs) / 1000;
  if (failure === undefined) {
    print(
      `${runCount} runs, ${formatVirtualTime(virtualMs)}, no invariant broken; ` +
        `${(runCount / seconds).toFixed(1)} runs/s`,
    );
    return mutant === undefined;
  }
  print(formatFailure(failure, gitCommit()));
  return mutant !== undefined;
}

/** Whether no invariant broke. */
async function runKept(path: string, kept: KeptCase, print: Print): Promise<boolean> {
  const { error, traceHash, traceLines } = await runKeptCase(kept, newNativeVault);
  print(
    `${path}: ${error === undefined ? 'holds' : `breaks: ${error.message}`} (trace ${traceHash})`,
  );
  if (error !== undefined && kept.mutant === undefined) traceLines.slice(-60).forEach(print);
  return error === undefined;
}

/** Prints the mutants and the kept cases. */
export function listSim(print: Print, asJson: boolean): void {
  const kept = keptSeeds().map(({ path, text }) => ({ path, why: parseKeptCase(text).why }));
  if (asJson) {
    const mutants = MUTANTS.map(({ name, what }) => ({ name, what }));
    print(JSON.stringify({ mutants, kept }, undefined, 2));
    return;
  }
  print('Bugs that can be planted (--mutant):');
  for (const { name, what } of MUTANTS) print(`  ${name.padEnd(18)} ${what}`);
  print('Failures that were kept (--replay):');
  for (const { path, why } of kept) print(`  ${path}  ${why}`);
}
