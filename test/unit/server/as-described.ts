/** Holds what an operation gave against its schema: nothing is missing, and nothing is there besides. */
import { expect } from 'vitest';
import { OPERATION_RESULTS } from '../../../src/server/operations.ts';

export function expectAsDescribed(operation: string, result: unknown): void {
  // As a client gets it.
  const json: unknown = JSON.parse(JSON.stringify(result ?? null));
  const parsed = OPERATION_RESULTS[operation]?.safeParse(json);
  expect(parsed?.error?.message, `the result of ${operation}`).toBeUndefined();
  expect(parsed?.data, `the result of ${operation}`).toEqual(json);
}
