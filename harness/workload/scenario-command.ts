/** A fast-check command of any scenario, out of its parts. */
import type fc from 'fast-check';
import type { Trace } from '../world/trace.ts';

/** What commands work on: a world with a trace, and the invariants that hold in it. */
export interface CommandedScenario {
  /** The texts of what was done, for a report. */
  readonly executed: string[];
  readonly world: { readonly trace: Pick<Trace, 'record'> };
  /** Rejects where an invariant is broken. */
  check(): Promise<void>;
}

/** `perform` does it, then every invariant is checked; `text` is what a shrunk failure reads like. */
export function scenarioCommand<Scenario extends CommandedScenario>(
  text: string,
  possible: (scenario: Readonly<Scenario>) => boolean,
  perform: (scenario: Scenario) => Promise<unknown> | void,
): fc.AsyncCommand<Scenario, Scenario> {
  return {
    check: possible,
    run: async (_, scenario) => {
      scenario.executed.push(text);
      scenario.world.trace.record(`> ${text}`);
      await perform(scenario);
      await scenario.check();
    },
    toString: () => text,
  };
}
