/**
 * A scenario: a data centre in simulated time, what may happen in it, what must hold in it, and the bugs
 * that are planted to see that it finds them. The search (harness/replay) knows nothing else of it.
 */
import fc from 'fast-check';
import { CapstanError } from '../../src/base/errors.ts';
import type { Mutant } from '../mutants/mutant.ts';
import { sourceMutantsOf } from '../mutants/source-mutants.ts';
import type { Command, CommandedWorld, DrawnCommand } from '../workload/command-form.ts';
import type { NewVault } from '../world/simulated-vault.ts';
import type { World } from '../world/world.ts';

/** What is drawn first of each case: which faults it has, and the seed of its world's own chance. */
export interface CaseProfile {
  readonly worldSeed: number;
}

/** A world that commands work on; the invariants that hold at any time are in its `check`. */
export interface CaseWorld extends CommandedWorld {
  readonly world: World;
}

export interface StartOptions<Profile extends CaseProfile = CaseProfile> {
  readonly profile: Profile;
  /** A new disk for a server. */
  readonly newVault: NewVault;
  readonly sabotage: Mutant['sabotage'];
}

interface ScenarioParts<Profile extends CaseProfile, Case extends CaseWorld> {
  /** Of lower-case words with hyphens: what `capstan sim run` calls it. */
  readonly name: string;
  /** One sentence. */
  readonly what: string;
  /** Cases that a search runs where nobody says how many: a minute's work or so. */
  readonly runsDefault: number;
  readonly profile: fc.Arbitrary<Profile>;
  /** None: a case is its profile and its finale. */
  readonly commands: readonly DrawnCommand<Case>[];
  /** Most commands of a case. */
  readonly commandCountMax: number;
  /** False where a case takes seconds, and shrinking one would take hours. Default: true. */
  readonly shrinks?: boolean;
  /** A world at its beginning. */
  readonly start: (options: StartOptions<Profile>) => Promise<Case>;
  /** The finale: all is made well, and what was owed must be done. Rejects where it is not. */
  readonly finish: (world: Case) => Promise<void>;
  /** What is there at the end, in a few lines: the same over the native engine and over its model. */
  readonly outcome?: (world: Case) => readonly string[];
  readonly mutants: readonly Mutant[];
}

/** A scenario whose profile and world are its own business. */
export interface Scenario extends Pick<
  ScenarioParts<CaseProfile, CaseWorld>,
  | 'name'
  | 'what'
  | 'runsDefault'
  | 'profile'
  | 'start'
  | 'finish'
  | 'shrinks'
  | 'outcome'
  | 'mutants'
> {
  readonly commands: () => fc.Arbitrary<Iterable<Command<CaseWorld>>>;
  /** The command of a text. Throws INVALID_ARGUMENT where it is none. */
  readonly parse: (text: string) => Command<CaseWorld>;
  /** The command of a text with one of its parameters the simplest that can be drawn, for each that is not yet. */
  readonly simpler: (text: string) => readonly Command<CaseWorld>[];
}

export function defineScenario<Profile extends CaseProfile, Case extends CaseWorld>(
  parts: ScenarioParts<Profile, Case>,
): Scenario {
  const { commands, commandCountMax, ...rest } = parts;
  // More weight by standing more than once.
  const arbitraries = commands.flatMap(({ arbitrary, weight }) =>
    Array.from({ length: weight }, () => arbitrary),
  );
  const own = {
    ...rest,
    mutants: [...rest.mutants, ...sourceMutantsOf(rest.name)],
    commands: () =>
      arbitraries.length === 0
        ? fc.constant([])
        : fc.commands<Case, Case>(arbitraries, {
            maxCommands: commandCountMax,
            size: 'max',
          }),
    parse: (text: string): Command<Case> => {
      for (const form of commands) {
        const command = form.parse(text);
        if (command !== undefined) return command;
      }
      throw new CapstanError('INVALID_ARGUMENT', {
        what: `The command ${text}`,
        reason: 'no such form',
      });
    },
    simpler: (text: string): readonly Command<Case>[] =>
      commands.find((form) => form.parse(text) !== undefined)?.simpler(text) ?? [],
  };
  // Whoever has the scenario gives its commands, `finish` and `outcome` only the worlds that it started
  // itself, and `start` only profiles of its own.
  return own as unknown as Scenario;
}
