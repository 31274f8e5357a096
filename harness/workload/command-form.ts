/**
 * Forms of commands: what may happen in a scenario, each written down once. A form's template is how a
 * command is printed and how it is read back, so every failure replays from its text.
 *
 * `'crash({server}{powerCut})'` with the fields `server: oneOf('east', 'west')` and
 * `powerCut: flag(', power cut')` prints and reads `crash(west, power cut)`.
 */
import fc from 'fast-check';
import { assert } from '../../src/base/assert.ts';
import { MINUTE_MS } from '../../src/base/units.ts';
import type { Trace } from '../world/trace.ts';

/** What commands work on: a world with a trace, and the invariants that hold in it. */
export interface CommandedWorld {
  /** The texts of what was done, for a report. */
  readonly executed: string[];
  readonly world: { readonly trace: Pick<Trace, 'record'> };
  /** Rejects where an invariant is broken. */
  check(): Promise<void>;
}

export type Command<World extends object> = fc.AsyncCommand<World, World>;

/** A parameter of a form: how it is printed, and how it is read back. */
export interface Field<Value> {
  /** A regular expression without capturing groups. */
  readonly pattern: string;
  format(value: Value): string;
  parse(text: string): Value;
}

/** A regular expression that matches just this text. */
const literally = (text: string): string => text.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`);

export const count: Field<number> = { pattern: String.raw`\d+`, format: String, parse: Number };

/** `5 min` or `100 ms`. */
export const duration: Field<number> = {
  pattern: String.raw`\d+ (?:min|ms)`,
  format: (ms) => (ms % MINUTE_MS === 0 ? `${ms / MINUTE_MS} min` : `${ms} ms`),
  parse: (text) => Number.parseInt(text, 10) * (text.endsWith('min') ? MINUTE_MS : 1),
};

/** One of a few words. */
export const oneOf = <const Word extends string>(...words: readonly Word[]): Field<Word> => ({
  pattern: words.map((word) => literally(word)).join('|'),
  format: (word) => word,
  parse: (text) => text as Word,
});

/** Stands there, or does not. */
export const flag = (words: string): Field<boolean> => ({
  pattern: `(?:${literally(words)})?`,
  format: (present) => (present ? words : ''),
  parse: (text) => text !== '',
});

/** Behind `words` where there is one. */
export const optional = <Value>(words: string, field: Field<Value>): Field<Value | undefined> => ({
  pattern: `(?:${literally(words)}(?:${field.pattern}))?`,
  format: (value) => (value === undefined ? '' : words + field.format(value)),
  parse: (text) => (text === '' ? undefined : field.parse(text.slice(words.length))),
});

/** Any text; it stands in quotation marks. */
export const quotedText: Field<string> = {
  pattern: String.raw`"(?:[^"\\]|\\.)*"`,
  format: (text) => JSON.stringify(text),
  parse: (text) => JSON.parse(text) as string,
};

/** A form with what its parameters are drawn from; `weight`: how often against others. */
export interface DrawnCommand<World extends object> {
  readonly arbitrary: fc.Arbitrary<Command<World>>;
  readonly weight: number;
  /** Undefined where the text is of another form. */
  parse(text: string): Command<World> | undefined;
  /** The command of a text with one of its parameters the simplest that can be drawn, for each that is not yet. */
  simpler(text: string): readonly Command<World>[];
}

export interface CommandForm<World extends object, Values> {
  /** The command with these parameters. */
  of(values: Values): Command<World>;
  drawn(
    arbitraries: { readonly [Name in keyof Values]: fc.Arbitrary<Values[Name]> },
    weight?: number,
  ): DrawnCommand<World>;
}

interface FormParts<World, Values> {
  readonly fields?: { readonly [Name in keyof Values]: Field<Values[Name]> };
  /** Whether it makes sense just now; where not, the command is skipped. Default: it does. */
  readonly possible?: (world: Readonly<World>, values: NoInfer<Values>) => boolean;
  /** Does it; every invariant is checked after. */
  readonly perform: (world: World, values: NoInfer<Values>) => Promise<unknown> | void;
}

/** What makes the forms of a world's commands; see the file's head. */
export function formsFor<World extends CommandedWorld>() {
  return <Values extends object = Record<never, never>>(
    template: string,
    { fields, possible = () => true, perform }: FormParts<World, Values>,
  ): CommandForm<World, Values> => {
    const table = (fields ?? {}) as Readonly<Record<string, Field<unknown>>>;
    const fieldOf = (name: string): Field<unknown> => {
      const field = table[name];
      assert(field !== undefined, `the form ${template} has the field ${name}`);
      return field;
    };
    // Text and names of fields by turns.
    const parts = template.split(/\{(\w+)\}/);
    const names = parts.filter((_, index) => index % 2 === 1);
    const pattern = new RegExp(
      `^${parts.map((part, index) => (index % 2 === 1 ? `(${fieldOf(part).pattern})` : literally(part))).join('')}$`,
    );
    const of = (values: Values): Command<World> => {
      const given = values as Readonly<Record<string, unknown>>;
      const text = parts
        .map((part, index) => (index % 2 === 1 ? fieldOf(part).format(given[part]) : part))
        .join('');
      return {
        check: (world) => possible(world, values),
        run: async (_, world) => {
          world.executed.push(text);
          world.world.trace.record(`> ${text}`);
          await perform(world, values);
          await world.check();
        },
        toString: () => text,
      };
    };
    const valuesOf = (text: string): Values | undefined => {
      const match = pattern.exec(text);
      if (match === null) return undefined;
      const values = names.map((name, index) => [
        name,
        fieldOf(name).parse(match[index + 1] ?? ''),
      ]);
      return Object.fromEntries(values) as Values;
    };
    return {
      of,
      drawn: (arbitraries, weight = 1) => ({
        arbitrary: fc.record<Values>(arbitraries).map(of),
        weight,
        parse: (text) => {
          const values = valuesOf(text);
          return values && of(values);
        },
        simpler: (text) => {
          const values = valuesOf(text);
          if (values === undefined) return [];
          return simplestOf(values, arbitraries).map((change) => of({ ...values, ...change }));
        },
      }),
    };
  };
}

/** Of each value that is not the simplest of its arbitrary, that one. */
function simplestOf<Values extends object>(
  values: Values,
  arbitraries: { readonly [Name in keyof Values]: fc.Arbitrary<Values[Name]> },
): readonly Partial<Values>[] {
  return (Object.keys(values) as (keyof Values)[]).flatMap((name) => {
    const value = values[name];
    const arbitrary = arbitraries[name];
    if (!arbitrary.canShrinkWithoutContext(value)) return [];
    // The first that it would shrink to is the simplest that it has.
    return [...arbitrary.shrink(value, undefined).take(1)].map(
      (simplest) => ({ [name]: simplest.value }) as unknown as Partial<Values>,
    );
  });
}

/** `advance(5 min)`: time goes by. */
export function advanceForm<World extends CommandedWorld & AdvancingWorld>() {
  return formsFor<World>()('advance({time})', {
    fields: { time: duration },
    perform: ({ world }, { time }) => world.advance(time),
  });
}

interface AdvancingWorld {
  readonly world: { advance(durationMs: number): Promise<void> };
}
