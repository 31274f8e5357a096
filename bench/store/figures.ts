/** What was measured, by name and repetition, and the medians of it. */
import type { Sample } from './jobs.ts';

export class Figures {
  readonly #samples: Map<string, Sample[]>;

  /** `recorded`: what `toJSON` gave. */
  constructor(recorded: Readonly<Record<string, readonly Sample[]>> = {}) {
    this.#samples = new Map(Object.entries(recorded).map(([name, all]) => [name, [...all]]));
  }

  add(name: string, sample: Sample): void {
    this.#samples.set(name, [...(this.#samples.get(name) ?? []), sample]);
  }

  samples(name: string): readonly Sample[] {
    return this.#samples.get(name) ?? [];
  }

  /** The median of what `pick` takes of each sample of `name`; undefined where there is none. */
  median(name: string, pick: (sample: Sample) => number | undefined): number | undefined {
    const values = this.samples(name)
      .map(pick)
      .filter((value) => value !== undefined)
      .toSorted((one, other) => one - other);
    const [low, high] = [values[(values.length - 1) >> 1], values[values.length >> 1]];
    return low === undefined || high === undefined ? undefined : (low + high) / 2;
  }

  /** Payload a second, MB/s. */
  rate(name: string): number | undefined {
    return this.median(name, ({ bytes, wallMs }) =>
      bytes === undefined ? undefined : bytes / 1000 / wallMs,
    );
  }

  /** How many times as fast as `other`. */
  times(name: string, other: string): number | undefined {
    return quotient(this.rate(name), this.rate(other));
  }

  storedBytes(name: string): number | undefined {
    return this.median(name, (sample) => sample.storedBytes);
  }

  extra(name: string, what: string): number | undefined {
    return this.median(name, (sample) => sample.extra?.[what]);
  }

  toJSON(): Record<string, readonly Sample[]> {
    return Object.fromEntries(this.#samples);
  }
}

export function quotient(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : one / other;
}
