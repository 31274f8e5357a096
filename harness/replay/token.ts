/** A failure's address on one line: `seed~path~replayPath` and, of a planted fault, `~mutant`. */
import { CapstanError } from '../../src/base/errors.ts';

export interface ReplayAddress {
  readonly seed: number;
  readonly path: string;
  readonly replayPath: string;
  readonly mutant: string | undefined;
}

const TOKEN_PATTERN = /^(-?\d+)~([\d:]*)~([A-Za-z0-9+/:=]*)(?:~([a-z-]+))?$/;

export function formatToken({ seed, path, replayPath, mutant }: ReplayAddress): string {
  return [seed, path, replayPath, ...(mutant === undefined ? [] : [mutant])].join('~');
}

/** Throws INVALID_ARGUMENT where the text is no token. */
export function parseToken(token: string): ReplayAddress {
  const match = TOKEN_PATTERN.exec(token);
  if (match === null) {
    throw new CapstanError('INVALID_ARGUMENT', {
      what: `The replay token ${token.slice(0, 80)}`,
      reason: 'it is seed~path~replayPath',
    });
  }
  const [, seed, path = '', replayPath = '', mutant] = match;
  return { seed: Number(seed), path, replayPath, mutant };
}
