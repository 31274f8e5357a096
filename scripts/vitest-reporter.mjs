/**
 * A vitest reporter that counts: writes `{ passed, failed, skipped }` to the file that
 * CAPSTAN_TOTALS_PATH names, and prints every skipped test with what it was skipped for.
 */
import { writeFileSync } from 'node:fs';

/** @import { Reporter, TestModule } from 'vitest/node' */

/** @implements {Reporter} */
export class CountingReporter {
  /**
   * @param {readonly TestModule[]} modules
   * @param {readonly unknown[]} unhandledErrors each counts as a failure: no test stands for it
   */
  onTestRunEnd(modules, unhandledErrors) {
    const totals = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    for (const module of modules) {
      // A file that does not load, or a hook that throws: no test stands for it either.
      const suites = [module, ...module.children.allSuites()];
      totals.failed += suites.reduce((sum, suite) => sum + suite.errors().length, 0);
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') totals.passed += 1;
        else if (result.state === 'failed') totals.failed += 1;
        else {
          totals.skipped += 1;
          const why =
            result.state === 'skipped' ? (result.note ?? 'no reason given') : 'did not run';
          console.log(`SKIPPED  ${module.relativeModuleId} > ${test.fullName}: ${why}`);
        }
      }
    }
    const path = process.env['CAPSTAN_TOTALS_PATH'];
    if (path !== undefined) writeFileSync(path, JSON.stringify(totals));
  }
}
