import { describe, expect, it } from 'vitest';
import { SimulatedRandom } from '../../../../harness/world/simulated-random.ts';
import { Trace } from '../../../../harness/world/trace.ts';

describe('the trace', () => {
  const traced = (...entries: [number, string][]): string => {
    let nowMs = 0;
    const trace = new Trace(() => nowMs);
    for (const [atMs, text] of entries) {
      nowMs = atMs;
      trace.record(text);
    }
    return trace.hash;
  };

  it('has the same hash for the same entries, and another for another time, text or order', () => {
    const hash = traced([1, 'a'], [2, 'b']);
    expect(hash).toMatch(/^[0-9a-f]{16}$/);
    expect(traced([1, 'a'], [2, 'b'])).toBe(hash);
    expect(traced([1, 'a'], [3, 'b'])).not.toBe(hash);
    expect(traced([1, 'a'], [2, 'c'])).not.toBe(hash);
    expect(traced([1, 'b'], [2, 'a'])).not.toBe(hash);
  });

  it('covers in its hash the lines that it no longer keeps', () => {
    const many = (first: string): string => {
      const trace = new Trace(() => 0);
      trace.record(first);
      for (let index = 0; index < 10_000; index += 1) trace.record('the same');
      expect(trace.lines.length).toBeLessThan(trace.count);
      return trace.hash;
    };
    expect(many('one')).not.toBe(many('two'));
  });

  it('streams every line, also those before and those that it keeps no longer', () => {
    const trace = new Trace(() => 0);
    trace.record('first');
    const streamed: string[] = [];
    trace.streamTo((line) => void streamed.push(line));
    for (let index = 0; index < 10_000; index += 1) trace.record(`line ${index}`);
    expect(streamed).toHaveLength(trace.count);
    expect(streamed[0]).toContain('first');
    expect(streamed.slice(-trace.lines.length)).toEqual(trace.lines);
    expect(() => trace.streamTo(() => {})).toThrow('from its beginning');
  });
});

describe('the simulated chance', () => {
  it('gives the same numbers for the same seed, and others for another', () => {
    const drawn = (seed: number): string => new SimulatedRandom(seed).bytes(32).join(' ');
    expect(drawn(5)).toBe(drawn(5));
    expect(drawn(5)).not.toBe(drawn(6));
  });
});
