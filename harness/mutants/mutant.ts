/** A bug that is planted on purpose, to see that a scenario finds it. */
import type { Sabotage } from '../world/simulated-server.ts';

export interface Mutant {
  /** Of lower-case words with hyphens; no two scenarios have mutants of the same name. */
  readonly name: string;
  /** What is wrong, as a clause. */
  readonly what: string;
  /** What only the harness can set: decorators of the ports of the servers named, or settings. */
  readonly sabotage: { readonly east?: Sabotage; readonly west?: Sabotage };
}
