/** A bug that is planted on purpose, to see that a scenario finds it. */
import type { Sabotage } from '../world/simulated-server.ts';

/** A few words of a file of `src`, and what stands there instead. */
export interface SourcePatch {
  /** From the checkout's root. */
  readonly file: string;
  /** Stands there exactly once. */
  readonly from: string;
  readonly to: string;
}

export interface Mutant {
  /** Of lower-case words with hyphens; no two scenarios have mutants of the same name. */
  readonly name: string;
  /** What is wrong, as a clause. */
  readonly what: string;
  /** What only the harness can set: decorators of the ports of the servers named, or settings. */
  readonly sabotage: { readonly east?: Sabotage; readonly west?: Sabotage };
  /** What it is in, where that is another than its scenario's own. */
  readonly area?: string;
  /** In the source itself; only a process that was started for it has it (harness/rig/plant.ts). */
  readonly patch?: SourcePatch;
}

const PLANTED = Symbol.for('capstan.planted');

/** For whoever loads the source: this mutant's patch is in it. */
export function notePlanted(name: string): void {
  Reflect.set(globalThis, PLANTED, name);
}

/** Whether this process has the mutant: what needs no patch, each has. */
export function isPlanted({ name, patch }: Mutant): boolean {
  return patch === undefined || Reflect.get(globalThis, PLANTED) === name;
}
