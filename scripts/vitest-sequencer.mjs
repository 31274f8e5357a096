/**
 * The order of vitest's files: what searches and what runs real processes first, for these take up to a minute and a
 * half each, and one that began last would keep one worker waiting for the other.
 */
import { BaseSequencer } from 'vitest/node';

/** @import { TestSpecification } from 'vitest/node' */

const LONG = /^test\/(?:property|rig|e2e)\//;

export class LongFirst extends BaseSequencer {
  /**
   * @override
   * @param {TestSpecification[]} files
   */
  async sort(files) {
    const sorted = await super.sort(files);
    /** @param {TestSpecification} file */
    const isLong = ({ moduleId }) => LONG.test(moduleId.slice(this.ctx.config.root.length + 1));
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}
