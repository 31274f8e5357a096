/** How vitest finds and runs the tests of test/. */
import { defineConfig } from 'vitest/config';
import { CountingReporter } from './scripts/vitest-reporter.mjs';
import { LongFirst } from './scripts/vitest-sequencer.mjs';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    passWithNoTests: true,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
    sequence: { sequencer: LongFirst },
    reporters: ['default', new CountingReporter()],
  },
});
