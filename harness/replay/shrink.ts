/**
 * The second pass over what fast-check has shrunk: fewer commands, then fewer faults, as long as a case
 * still breaks an invariant. It works on texts, so it drops what fast-check does not dare to.
 */
import type { CaseProfile } from '../scenarios/scenario.ts';
import { runCase } from './case.ts';
import type { CaseOptions, CaseResult } from './case.ts';

/** Pairs of more commands than this are not tried: there are too many. */
const PAIRED_COMMANDS_MAX = 40;

/** The smallest case that it finds; `failing` itself where no smaller one fails. */
export async function shrinkFurther(
  options: Omit<CaseOptions, 'profile'>,
  failing: CaseResult,
): Promise<CaseResult> {
  const { parse } = options.scenario;
  /** The case where it fails as the first did, else undefined. */
  const tryCase = async (
    profile: CaseProfile,
    texts: readonly string[],
  ): Promise<CaseResult | undefined> => {
    const result = await runCase({ ...options, profile }, texts.map(parse));
    return result.error?.name === failing.error?.name ? result : undefined;
  };
  let smallest = failing;
  let before: CaseResult;
  do {
    before = smallest;
    smallest = await dropCommands(smallest, 1, tryCase);
    if (smallest.executed.length <= PAIRED_COMMANDS_MAX) {
      smallest = await dropCommands(smallest, 2, tryCase);
    }
    smallest = await dropFaults(smallest, tryCase);
  } while (smallest.executed.length < before.executed.length);
  return smallest;
}

type TryCase = (profile: CaseProfile, texts: readonly string[]) => Promise<CaseResult | undefined>;

/** Drops `width` commands at a time, whichever it can in one pass from the end. */
async function dropCommands(
  failing: CaseResult,
  width: 1 | 2,
  tryCase: TryCase,
): Promise<CaseResult> {
  let smallest = failing;
  for (let first = smallest.executed.length - 1; first >= 0; first -= 1) {
    const { executed, profile } = smallest;
    for (let second = width === 1 ? first : first - 1; second >= 0; second -= 1) {
      const rest = executed.filter((_, index) => index !== first && index !== second);
      const result = await tryCase(profile, rest);
      if (result !== undefined && result.executed.length < executed.length) {
        smallest = result;
        // What could not be dropped before may be now: the next pass looks.
        first = Math.min(first, smallest.executed.length);
        break;
      }
      if (width === 1) break;
    }
  }
  return smallest;
}

/** Of each value of the profile the simplest: no such fault, zero, an empty list. */
async function dropFaults(failing: CaseResult, tryCase: TryCase): Promise<CaseResult> {
  let smallest = failing;
  for (const [name, value] of Object.entries(failing.profile)) {
    const simplest = simplestOf(value);
    if (simplest === value) continue;
    const profile = { ...smallest.profile, [name]: simplest };
    const result = await tryCase(profile, smallest.executed);
    if (result !== undefined && result.executed.length <= smallest.executed.length) {
      smallest = result;
    }
  }
  return smallest;
}

function simplestOf(value: unknown): unknown {
  if (typeof value === 'boolean') return false;
  if (typeof value === 'number') return 0;
  return Array.isArray(value) && value.length > 0 ? [] : value;
}
