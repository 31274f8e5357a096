/** A failure's address on one line: `scenario~seed` and, of a planted bug, `~mutant`. */
import { CapstanError } from '../../src/base/errors.ts';

export interface ReplayAddress {
  readonly scenario: string;
  /** Of the one case, not of the search that found it. */
  readonly seed: number;
  readonly mutant: string | undefined;
}

const TOKEN_PATTERN = /^([a-z][a-z0-9-]*)~(-?\d+)(?:~([a-z][a-z0-9-]*))?$/;

export function formatToken({ scenario, seed, mutant }: ReplayAddress): string {
  return [scenario, seed, ...(mutant === undefined ? [] : [mutant])].join('~');
}

/** Throws INVALID_ARGUMENT where the text is no token. */
export function parseToken(token: string): ReplayAddress {
  const match = TOKEN_PATTERN.exec(token);
  if (match === null) {
    throw new CapstanError('INVALID_ARGUMENT', {
      what: `The replay token ${token.slice(0, 80)}`,
      reason: 'it is neither a file nor scenario~seed, nor scenario~seed~bug',
    });
  }
  const [, scenario = '', seed, mutant] = match;
  return { scenario, seed: Number(seed), mutant };
}
