/** What a laboratory run notes as it goes: its steps with their times, and every comparison. */
import { systemClock } from '../../src/platform/system-clock.ts';
import type { LabCheck, LabStep } from './lab-result.ts';
import type { LabSite } from './lab-sites.ts';

export interface LabProgress {
  readonly step: number;
  readonly title: string;
  readonly done: number;
  readonly total: number;
  /** What `done` and `total` count. */
  readonly unit: 'bytes' | 'chunks';
}

/** Both servers, each with its host. */
export interface LabSites {
  readonly east: LabSite;
  readonly west: LabSite;
}

/** A step that could not be done; the others are not tried. */
export class StepFailure extends Error {
  override readonly name = 'StepFailure';
}

/** What the report says of a step. */
interface StepOutcome {
  readonly lines: readonly string[];
  readonly bytes?: number;
}

/** The step under way. */
export class StepInHand {
  readonly number: number;
  readonly #title: string;
  readonly #checks: LabCheck[];
  readonly #onProgress: ((progress: LabProgress) => void) | undefined;

  constructor(
    number: number,
    title: string,
    checks: LabCheck[],
    onProgress: ((progress: LabProgress) => void) | undefined,
  ) {
    this.number = number;
    this.#title = title;
    this.#checks = checks;
    this.#onProgress = onProgress;
  }

  progress(done: number, total: number, unit: LabProgress['unit'] = 'bytes'): void {
    this.#onProgress?.({ step: this.number, title: this.#title, done, total, unit });
  }

  /** A comparison; it holds where nothing differs. */
  check(what: string, differences: readonly string[]): void {
    const held = differences.length === 0;
    this.#checks.push({ step: this.number, what, held, differences });
  }

  /** A comparison of two values by their JSON. */
  same(what: string, found: unknown, expected: unknown): void {
    const [is, shouldBe] = [JSON.stringify(found), JSON.stringify(expected)];
    this.check(what, is === shouldBe ? [] : [`found ${is}`, `expected ${shouldBe}`]);
  }
}

export class LabRecord {
  readonly steps: LabStep[] = [];
  readonly checks: LabCheck[] = [];
  readonly #onProgress: ((progress: LabProgress) => void) | undefined;
  readonly #beforeStep: (step: number) => Promise<unknown> | undefined;

  constructor(
    onProgress: ((progress: LabProgress) => void) | undefined,
    beforeStep: (step: number) => Promise<unknown> | undefined,
  ) {
    this.#onProgress = onProgress;
    this.#beforeStep = beforeStep;
  }

  /** Times `work`, the next step; what it returns is what the report says of it. */
  async step(title: string, work: (step: StepInHand) => Promise<StepOutcome>): Promise<void> {
    const number = this.steps.length + 1;
    await this.#beforeStep(number);
    const beganMs = systemClock.monotonicMs();
    const inHand = new StepInHand(number, title, this.checks, this.#onProgress);
    inHand.progress(0, 0);
    const { lines, bytes } = await work(inHand);
    const durationMs = systemClock.monotonicMs() - beganMs;
    this.steps.push({ number, title, durationMs, bytes, lines });
  }
}
