/**
 * Goal: a command that a host writes is the command that is read, however its blanks, quotes and short
 * keywords fall; no text of any kind makes the parser throw; and a quoted command that was cut anywhere is
 * refused. Method: print random commands in random ways and read them back; cut them; feed rubbish.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BACKUP_TYPES,
  BMA_VERBS,
  type BmaVerb,
  POLICY_GRAMMARS,
  POLICY_KEYWORDS,
  type PolicyCommand,
  type PolicyGrammar,
  type PolicyValues,
  endsQuoted,
  formatVtsPolicy,
  parseVtsPolicy,
} from '../../src/ems/vtspolicy.ts';

const RUNS = { numRuns: 1000, seed: 20_060_902 };

const segment = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,15}$/);
const pool = fc.record({ vault: segment, pool: segment });
const tape = fc.record({ vault: segment, pool: segment, tape: segment });
const value = fc.stringMatching(/^[A-Za-z0-9/.,:_+][A-Za-z0-9/.,:_+-]{0,20}$/);
const source = fc.record({ source: segment }, { requiredKeys: [] });
const values = fc
  .record(
    {
      source: segment,
      destination: value,
      sourceTSM: value,
      destinationTSM: value,
      optfile: value.map((text) => `/${text}`),
      retention: fc.constantFrom('14,d', '2,w', '1,m', '7,y'),
      copies: value,
    },
    { requiredKeys: [] },
  )
  .map((given): PolicyValues => given as Record<string, string>);

const grammar = fc.constantFrom(...(Object.keys(POLICY_GRAMMARS) as PolicyGrammar[]));
const verb = fc.constantFrom(...(Object.keys(BMA_VERBS) as BmaVerb[]));

/** A command that the grammar has. */
const inGrammar: fc.Arbitrary<{ grammar: PolicyGrammar; command: PolicyCommand }> = grammar.chain(
  (name) => {
    const rules = POLICY_GRAMMARS[name];
    const migrate = fc
      .record({
        verb,
        path: fc.oneof(pool, tape),
        values,
        type: fc.constantFrom(...BACKUP_TYPES),
        source: segment,
      })
      .map((drawn): PolicyCommand => {
        const isTsm = drawn.verb === 'TSM';
        return {
          kind: 'migrate',
          verb: drawn.verb,
          ...(isTsm && rules.tsmBackupType && { backupType: drawn.type }),
          path: drawn.path,
          values: { ...(isTsm && rules.tsmSource && { source: drawn.source }), ...drawn.values },
        };
      });
    const synchronize = fc
      .record({ path: pool, values })
      .map((drawn): PolicyCommand => ({ kind: 'synchronize', verb: 'IDR', ...drawn }));
    const erase = fc
      .record({
        verb: fc.constantFrom('Erase' as const, 'Delete' as const),
        tapes: fc.uniqueArray(fc.oneof(tape, fc.record({ tape: segment })), {
          minLength: 1,
          maxLength: 8,
          selector: (each) => JSON.stringify(each),
        }),
        values: rules.eraseSource ? source : fc.constant({}),
      })
      .map((drawn): PolicyCommand => ({
        kind: drawn.verb === 'Erase' ? 'erase' : 'delete',
        ...drawn,
        values: { ...drawn.values } as PolicyValues,
      }));
    return fc.oneof(migrate, synchronize, erase).map((command) => ({ grammar: name, command }));
  },
);

/** Other ways to write the same: blanks, kind of quotes, short keywords. */
function rewrite(text: string, style: { blanks: number; single: boolean; short: boolean }): string {
  const blank = ' '.repeat(style.blanks);
  let written = text;
  if (style.short) {
    for (const [long, short] of Object.values(POLICY_KEYWORDS)) {
      written = written.replace(` ${long}=`, ` ${short}=`);
    }
  }
  if (style.single) written = written.replaceAll('"', "'");
  return written.replaceAll('=', `${blank.slice(1)}=${blank.slice(1)}`).replaceAll(' ', blank);
}

const style = fc.record({
  blanks: fc.integer({ min: 1, max: 4 }),
  single: fc.boolean(),
  short: fc.boolean(),
});

/** Whether a command is the same once written and read. */
function readsBack(command: PolicyCommand, name: PolicyGrammar): boolean {
  const again = parseVtsPolicy(formatVtsPolicy(command), name);
  return again.kind === 'command' && JSON.stringify(again.command) === JSON.stringify(command);
}

describe('the grammar of VTSPolicy', () => {
  it('reads back what it writes, in whatever way it is written', () => {
    fc.assert(
      fc.property(inGrammar, style, ({ grammar: name, command }, how) => {
        const text = rewrite(formatVtsPolicy(command), how);
        expect(parseVtsPolicy(text, name)).toMatchObject({ kind: 'command', command });
      }),
      RUNS,
    );
  });

  it('refuses every beginning of a quoted command that is not the whole', () => {
    fc.assert(
      fc.property(inGrammar, fc.nat(), ({ grammar: name, command }, cut) => {
        const text = formatVtsPolicy(command);
        fc.pre(text.includes('"'));
        const beginning = text.slice(0, cut % text.length);
        expect(parseVtsPolicy(beginning, name).kind).toBe('refused');
        expect(endsQuoted(beginning)).toBe(false);
        expect(endsQuoted(text)).toBe(true);
      }),
      RUNS,
    );
  });

  it('never throws, whatever comes, and refuses with one sentence', () => {
    const piece = fc.oneof(
      fc.string({ maxLength: 40 }),
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.constantFrom(
        'VTSPolicy ',
        'Erase - ',
        'TSM ',
        '"',
        "'",
        '=',
        ' s=',
        '/VAULT00/POOL/',
        'archive ',
      ),
    );
    const hostile = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(
        fc.oneof(
          hostile,
          hostile.map((text) => `VTSPolicy ${text}`),
        ),
        grammar,
        (text, name) => {
          const parsed = parseVtsPolicy(text, name);
          const holds =
            parsed.kind === 'refused'
              ? /^[ -~]{1,200}\.$/.test(parsed.reason)
              : readsBack(parsed.command, name);
          expect(holds, text).toBe(true);
        },
      ),
      RUNS,
    );
  });
});
