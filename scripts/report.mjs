/** What the scripts have in common in how they report. */

/**
 * @param {number} durationMs
 * @returns {string} `3.2 s`
 */
export const seconds = (durationMs) => `${(durationMs / 1000).toFixed(1)} s`;

/**
 * @typedef {object} Totals
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 */

/**
 * The closing line of `npm test`.
 * @param {Totals} totals
 * @returns {string} `12 passed, 0 failed`, and `, 1 skipped` where some were
 */
export const totalsLine = ({ passed, failed, skipped }) =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
