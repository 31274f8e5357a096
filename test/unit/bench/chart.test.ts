import { describe, expect, it } from 'vitest';
import { contestChart } from '../../../bench/store/chart.ts';
import { Figures } from '../../../bench/store/figures.ts';

const CONTENDERS = [
  { label: 'Capstan', name: 'capstan-tar' },
  { label: 'restic', name: 'restic-tar' },
];
const SAMPLE = { wallMs: 2000, cpuMs: 3000, peakBytes: 1, bytes: 4_000_000_000 };

describe('the chart of a contest', () => {
  it('is none where its steps were left out', () => {
    expect(contestChart('The contest', new Figures(), CONTENDERS)).toBeUndefined();
  });

  it('is none where the peers were left out', () => {
    const figures = new Figures({ 'capstan-tar/first': [SAMPLE] });
    expect(contestChart('The contest', figures, CONTENDERS)).toBeUndefined();
  });

  it('has a bar for each that was measured', () => {
    const figures = new Figures({ 'capstan-tar/first': [SAMPLE], 'restic-tar/first': [SAMPLE] });
    const chart = contestChart('The contest', figures, CONTENDERS);
    expect(chart?.match(/rx="2"/g)).toHaveLength(2);
  });
});
