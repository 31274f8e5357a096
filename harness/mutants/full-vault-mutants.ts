/** Bugs of a full vault that are planted on purpose. */
import { isCapstanError } from '../../src/base/errors.ts';
import { logicalObjectNumber } from '../../src/base/units.ts';
import type { Ballast } from '../../src/ports/ballast.ts';
import type { CopyJobRow } from '../../src/ports/catalog.ts';
import type { Engine, TapeImage } from '../../src/ports/engine.ts';
import { decorate } from '../../src/base/decorate.ts';
import { asking } from './decorators.ts';
import type { Mutant } from './mutant.ts';

/** Blocks that a tape finds no room for are left out, and those behind them are put where they would lie. */
function leavingOut(engine: Engine): Engine {
  return decorate(engine, async (method, call) => {
    const value = await call();
    if (method !== 'openImage') return value;
    const image = value as TapeImage;
    let missing = 0;
    return decorate(image, async (imageMethod, imageCall, [first]) => {
      if (imageMethod === 'truncate') missing = 0;
      if (imageMethod !== 'append') return imageCall();
      const append = first as Parameters<TapeImage['append']>[0];
      const at = logicalObjectNumber(Math.max(0, append.at - missing));
      try {
        return await image.append({ ...append, at });
      } catch (error) {
        if (!isCapstanError(error, 'NO_SPACE')) throw error;
        missing += append.lengths.length;
        return {};
      }
    });
  });
}

/** A ballast that does the method so often in a process's life, and then only says so. */
function doing(method: 'hold' | 'release', count: number): (ballast: Ballast) => Ballast {
  return (ballast) => {
    let done = 0;
    return decorate(ballast, (called, call) => {
      if (called !== method) return call();
      done += 1;
      return done <= count ? call() : Promise.resolve(true);
    });
  };
}

export const FULL_VAULT_MUTANTS: readonly Mutant[] = [
  {
    name: 'full-acknowledged',
    what: 'blocks that find no room are left out, and the host is told nothing',
    sabotage: { east: { engine: leavingOut } },
  },
  {
    name: 'full-copy-forgotten',
    what: 'a copy that the full disk of the other side refuses is owed no more',
    sabotage: {
      east: {
        catalog: asking('putCopyJob', ([row, ...rest]) => {
          const job = row as CopyJobRow;
          const isFull = job.lastError?.includes('is full') === true;
          return [isFull ? { ...job, state: 'copied' } : job, ...rest];
        }),
      },
    },
  },
  {
    name: 'full-not-given-up',
    what: 'what is held back for what makes room is never given up',
    sabotage: { east: { ballast: doing('release', 0) } },
  },
  {
    name: 'full-not-held-again',
    what: 'what was given up is not held again',
    sabotage: { east: { ballast: doing('hold', 1) } },
  },
];
