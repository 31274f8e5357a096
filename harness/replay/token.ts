/** A failure's address on one line: `scenario~seed~path~replayPath` and, of a planted bug, `~mutant`. */
import { CapstanError } from '../../src/base/errors.ts';

export interface ReplayAddress {
  readonly scenario: string;
  /** Of the one case, not of the search that found it. */
  readonly seed: number;
  /** What fast-check has shrunk: its path, and of the commands its replayPath. */
  readonly path: string;
  readonly replayPath: string;
  readonly mutant: string | undefined;
}

const TOKEN_PATTERN =
  /^([a-z][a-z0-9-]*)~(-?\d+)~([\d:]*)~([A-Za-z0-9+/:=]*)(?:~([a-z][a-z0-9-]*))?$/;

export function formatToken(address: ReplayAddress): string {
  const { scenario, seed, path, replayPath, mutant } = address;
  return [scenario, seed, path, replayPath, ...(mutant === undefined ? [] : [mutant])].join('~');
}

/** Throws INVALID_ARGUMENT where the text is no token. */
export function parseToken(token: string): ReplayAddress {
  const match = TOKEN_PATTERN.exec(token);
  if (match === null) {
    throw new CapstanError('INVALID_ARGUMENT', {
      what: `The replay token ${token.slice(0, 80)}`,
      reason: 'it is neither a file nor scenario~seed~path~replayPath',
    });
  }
  const [, scenario = '', seed, path = '', replayPath = '', mutant] = match;
  return { scenario, seed: Number(seed), path, replayPath, mutant };
}
