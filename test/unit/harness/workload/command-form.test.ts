import { describe, expect, it } from 'vitest';
import { AUTOCOPY } from '../../../../harness/scenarios/autocopy.ts';
import {
  count,
  flag,
  formsFor,
  oneOf,
  optional,
  quotedText,
} from '../../../../harness/workload/command-form.ts';

const TEXTS = [
  'mount(0, ring)',
  'mount(1, no ring)',
  'backup(1, 3 x 4000, seed 2)',
  'write(1, 8 x 4999, seed 3)',
  'append(0, 0 x 1, seed 0)',
  'append(0, 2 x 77, seed 1, sync)',
  'dismount(1)',
  'advance(100 ms)',
  'advance(61 min)',
  'advance(299000 ms)',
  'network(down)',
  'network(cut)',
  'network(stall)',
  'network(heal)',
  'corrupt(after 0 bytes)',
  'cut(after 40000 bytes)',
  'crash(east)',
  'crash(west, power cut)',
  'crashInside(west, disk operation 7)',
  'crashInside(east, catalog operation 24, power cut)',
  'slowDisk(west, 90000 ms)',
  'lateCopy(1)',
  'restart(east)',
];

describe('the text of a command', () => {
  it.each(TEXTS)('%s is read back as the same command', (text) => {
    expect(AUTOCOPY.parse(text).toString()).toBe(text);
  });

  it('is refused where it is none', () => {
    expect(() => AUTOCOPY.parse('write(0)')).toThrow('The command write(0) is refused');
  });
});

describe('a form', () => {
  const seen: unknown[] = [];
  const world = { executed: [], world: { trace: { record: () => {} } }, check: async () => {} };
  const form = formsFor<typeof world>()('say({what}, {how}{to}{times})', {
    fields: {
      what: quotedText,
      how: oneOf('loud', 'low'),
      to: optional(', to $', count),
      times: flag(' (twice)'),
    },
    perform: (_, values) => void seen.push(values),
  });

  it.each([
    { what: 'a "b" \\ (c)', how: 'low' as const, to: 7, times: true },
    { what: '', how: 'loud' as const, to: undefined, times: false },
  ])('gives back the parameters that it was printed with', async (values) => {
    const text = String(form.of(values));
    const [command] = [form.drawn({} as never).parse(text)];
    await command?.run(world, world);
    expect(seen.at(-1)).toEqual(values);
    expect(String(command)).toBe(text);
  });
});
