/**
 * Goal: a filter decides as its statements say, and no source makes the compiler do anything but compile
 * or refuse. Method: random conditions beside a direct evaluation of their trees; random sources, made of
 * the language's own words and of anything.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isCapstanError } from '../../src/base/errors.ts';
import { compileEmfFilter } from '../../src/ems/emf-filter.ts';
import type { EmfEvent } from '../../src/ems/emf-filter.ts';

const RUNS = { numRuns: 1000, seed: 20060828 };

interface Tree {
  readonly text: string;
  readonly holds: (event: EmfEvent) => boolean;
}

const SIGNS: Readonly<Record<string, (left: number, right: number) => boolean>> = {
  '=': (left, right) => left === right,
  '<>': (left, right) => left !== right,
  '<': (left, right) => left < right,
  '<=': (left, right) => left <= right,
  '>': (left, right) => left > right,
  '>=': (left, right) => left >= right,
};

const comparison: fc.Arbitrary<Tree> = fc
  .record({
    token: fc.constantFrom('ZEMS^TKN^EVENTNUMBER', 'ZEMS^TKN^CPU', 'ZEMS^TKN^PIN'),
    sign: fc.constantFrom(...Object.keys(SIGNS)),
    value: fc.nat({ max: 5 }),
  })
  .map(({ token, sign, value }) => ({
    text: `${token} ${sign} ${value}`,
    holds: (event) => {
      const found = (event as Readonly<Record<string, number | undefined>>)[token];
      return found !== undefined && SIGNS[sign]?.(found, value) === true;
    },
  }));

const { condition } = fc.letrec<{ condition: Tree }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 4 },
    comparison,
    tie('condition').map(({ text, holds }) => ({
      text: `NOT (${text})`,
      holds: (event: EmfEvent) => !holds(event),
    })),
    fc
      .tuple(tie('condition'), fc.constantFrom('AND', 'OR'), tie('condition'))
      .map(([left, word, right]) => ({
        text: `(${left.text}) ${word} (${right.text})`,
        holds: (event: EmfEvent) =>
          word === 'AND'
            ? left.holds(event) && right.holds(event)
            : left.holds(event) || right.holds(event),
      })),
  ),
}));

const event: fc.Arbitrary<EmfEvent> = fc.record(
  {
    'ZEMS^TKN^EVENTNUMBER': fc.nat({ max: 5 }),
    'ZEMS^TKN^CPU': fc.nat({ max: 5 }),
    'ZEMS^TKN^PIN': fc.nat({ max: 5 }),
  },
  { requiredKeys: [] },
);

const WORDS =
  'FILTER BEGIN END IF THEN ELSE PASS FAIL AND OR NOT SSID ( ) ; , = <> ! TRUE "X" 7 \n ZTAP^VAL^SSID ZEMS^TKN^TEXT ZSPI^TKN^SSID ZEMS^TKN^EVENTNUMBER'.split(
    ' ',
  );

const words = fc.array(fc.oneof(fc.constantFrom(...WORDS), fc.string({ maxLength: 5 })), {
  maxLength: 60,
});

function outcomeOf(source: string): unknown {
  try {
    compileEmfFilter(source).passes({});
    return 'compiled';
  } catch (error) {
    return isCapstanError(error, 'INVALID_ARGUMENT', 'LIMIT_EXCEEDED') ? 'refused' : error;
  }
}

describe('EMF', () => {
  it('decides by its conditions as their trees do', () => {
    fc.assert(
      fc.property(condition, fc.array(event, { minLength: 1 }), ({ text, holds }, events) => {
        const filter = compileEmfFilter(`FILTER F; BEGIN IF ${text} THEN PASS; END;`);
        for (const each of events) expect(filter.passes(each)).toBe(holds(each));
      }),
      RUNS,
    );
  });

  it('compiles any source or refuses it with its reason', () => {
    fc.assert(
      fc.property(words, fc.boolean(), (list, framed) => {
        const text = list.join(' ');
        const outcome = outcomeOf(framed ? `FILTER F; BEGIN ${text} END;` : text);
        expect(['compiled', 'refused']).toContain(outcome);
      }),
      { ...RUNS, numRuns: 5000 },
    );
  });
});
