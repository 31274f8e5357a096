import { describe, expect, it } from 'vitest';
import { parseCommand } from '../../../../harness/workload/parse-command.ts';

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
    expect(parseCommand(text).toString()).toBe(text);
  });

  it('is refused where it is none', () => {
    expect(() => parseCommand('write(0)')).toThrow('The command write(0) is refused');
  });
});
