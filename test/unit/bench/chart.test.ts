import { describe, expect, it } from 'vitest';
import { contestChart } from '../../../bench/store/chart.ts';
import { Figures } from '../../../bench/store/figures.ts';

const CONTENDERS = [{ label: 'Capstan', name: 'capstan-tar' }];

describe('the chart of a contest', () => {
  it('is none where its steps were left out', () => {
    expect(contestChart('The contest', new Figures(), CONTENDERS)).toBeUndefined();
  });

  it('has a bar for what was measured', () => {
    const sample = { wallMs: 2000, cpuMs: 3000, peakBytes: 1, bytes: 4_000_000_000 };
    const figures = new Figures({ 'capstan-tar/first': [sample] });
    expect(contestChart('The contest', figures, CONTENDERS)).toContain('<rect');
  });
});
