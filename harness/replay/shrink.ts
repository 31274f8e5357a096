/**
 * What a failing case is shrunk to: fewer commands, fewer faults, simpler parameters, as long as it still breaks as it did.
 *
 * Each try is a whole case, so large parts are dropped first: all commands, then halves, quarters, and so on, single
 * ones, and pairs that break nothing only together. It works on texts.
 */
import type { CaseProfile } from '../scenarios/scenario.ts';
import { runCase } from './case.ts';
import type { CaseOptions, CaseResult } from './case.ts';

/** Pairs of more commands than this are not tried: there are too many. */
const PAIRED_COMMANDS_MAX = 40;

export interface Shrunk {
  /** `failing` itself where no smaller case fails. */
  readonly result: CaseResult;
  /** How often a smaller case was found. */
  readonly stepCount: number;
  /** Of all cases that were tried, in virtual time. */
  readonly virtualMs: number;
}

/** The smallest case that it finds. */
export async function shrink(
  options: Omit<CaseOptions, 'profile'>,
  failing: CaseResult,
): Promise<Shrunk> {
  const shrinking = new Shrinking(options, failing);
  let commandCount: number;
  do {
    commandCount = shrinking.executed.length;
    await shrinking.dropParts();
    await shrinking.dropFaults();
    await shrinking.simplify();
    if (shrinking.executed.length <= PAIRED_COMMANDS_MAX) await shrinking.dropPairs();
  } while (shrinking.executed.length < commandCount);
  const { smallest: result, stepCount, virtualMs } = shrinking;
  return { result, stepCount, virtualMs };
}

class Shrinking {
  smallest: CaseResult;
  stepCount = 0;
  virtualMs = 0;
  readonly #options: Omit<CaseOptions, 'profile'>;
  readonly #kind: string | undefined;

  constructor(options: Omit<CaseOptions, 'profile'>, failing: CaseResult) {
    this.#options = options;
    this.#kind = failing.error?.name;
    this.smallest = failing;
  }

  get executed(): readonly string[] {
    return this.smallest.executed;
  }

  /** Takes a case for the smallest where it fails as the first did. */
  async #try(texts: readonly string[], profile: CaseProfile): Promise<boolean> {
    const commands = texts.map(this.#options.scenario.parse);
    const result = await runCase({ ...this.#options, profile }, commands);
    this.virtualMs += result.virtualMs;
    if (result.error?.name !== this.#kind) return false;
    this.smallest = result;
    this.stepCount += 1;
    return true;
  }

  #tryWithout(isDropped: (index: number) => boolean): Promise<boolean> {
    const rest = this.executed.filter((_, index) => !isDropped(index));
    return this.#try(rest, this.smallest.profile);
  }

  /** Drops runs of commands from the end on, in passes of all, half, a quarter, ... and one of them. */
  async dropParts(): Promise<void> {
    let width = this.executed.length;
    while (width > 0) {
      for (let end = this.executed.length; end > 0; end -= width) {
        const first = end - width;
        await this.#tryWithout((index) => index >= first && index < end);
        // More may have gone than was dropped.
        end = Math.min(end, this.executed.length + width);
      }
      width = width === 1 ? 0 : Math.ceil(width / 2);
    }
  }

  /** Drops two commands at a time, whichever it can in one pass from the end. */
  async dropPairs(): Promise<void> {
    for (let second = this.executed.length - 1; second > 0; second -= 1) {
      for (let first = second - 1; first >= 0; first -= 1) {
        if (!(await this.#tryWithout((index) => index === first || index === second))) continue;
        second = Math.min(second, this.executed.length);
        break;
      }
    }
  }

  /** Of each value of the profile the simplest: no such fault, zero, an empty list. */
  async dropFaults(): Promise<void> {
    for (const [name, value] of Object.entries(this.smallest.profile)) {
      const simplest = simplestOf(value);
      if (simplest === value) continue;
      await this.#try(this.executed, { ...this.smallest.profile, [name]: simplest });
    }
  }

  /** Each parameter of a command as simple as it can be drawn. */
  async simplify(): Promise<void> {
    for (let index = this.executed.length - 1; index >= 0; index -= 1) {
      await this.#simplifyAt(index);
    }
  }

  /** All parameters of a command at once, else one by one. */
  async #simplifyAt(index: number): Promise<void> {
    const simpler = (text = this.executed[index] ?? ''): readonly string[] =>
      this.#options.scenario.simpler(text).map(String);
    const tryText = (text: string): Promise<boolean> =>
      this.#try(this.executed.with(index, text), this.smallest.profile);
    let simplest = this.executed[index] ?? '';
    for (let [next] = simpler(); next !== undefined; [next] = simpler(next)) simplest = next;
    if (simpler().length > 1 && (await tryText(simplest))) return;
    for (let which = 0; ;) {
      const text = simpler()[which];
      if (text === undefined) return;
      // Where it fails as before, the next parameter has its place.
      if (!(await tryText(text))) which += 1;
    }
  }
}

function simplestOf(value: unknown): unknown {
  if (typeof value === 'boolean') return false;
  if (typeof value === 'number') return 0;
  return Array.isArray(value) && value.length > 0 ? [] : value;
}
