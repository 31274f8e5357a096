import { describe, expect, it } from 'vitest';
import { Life } from '../../../harness/world/life.ts';
import { SimulatedLogFiles } from '../../../harness/world/simulated-log-files.ts';
import { EraseList } from '../../../src/server/erase-list.ts';

const AT_MS = Date.UTC(2005, 2, 2, 14, 41, 7);
const NAME = 'erasebylist.02Mar05.log';

function listAt(nowMs: number): { readonly list: EraseList; readonly log: SimulatedLogFiles } {
  const log = new SimulatedLogFiles();
  const clock = { nowMs: () => nowMs, monotonicMs: () => 0, after: () => () => {} };
  return { log, list: new EraseList({ clock, logFiles: log.port(new Life()) }) };
}

describe('the list of what was erased', () => {
  it('has the form that the manual prints', async () => {
    const { list, log } = listAt(AT_MS);
    expect(await list.begin('factory')).toBe(NAME);
    await list.add(NAME, '/VAULT00/BILL/Q00001 erased');
    expect(log.files.get(NAME)).toBe(
      '02Mar05 14:41:factory:erase-by-list\nWed Mar  2 14:41:07 UTC 2005\n/VAULT00/BILL/Q00001 erased\n',
    );
  });

  it('is a file a day, to which each run is added', async () => {
    const { list, log } = listAt(Date.UTC(2006, 2, 12, 2));
    await list.begin('schedule');
    await list.begin('operator');
    const text = log.files.get('erasebylist.12Mar06.log') ?? '';
    expect(text.split('\n').filter((line) => line.endsWith(':erase-by-list'))).toEqual([
      '12Mar06 02:00:schedule:erase-by-list',
      '12Mar06 02:00:operator:erase-by-list',
    ]);
    expect(text).toContain('Sun Mar 12 02:00:00 UTC 2006');
  });

  it('takes no line end or colon from a name', async () => {
    const { list, log } = listAt(AT_MS);
    await list.begin('a:b\n/VAULT00/POOL/LAB001 erased');
    expect(log.files.get(NAME)?.split('\n')[0]).toBe(
      '02Mar05 14:41:a_b_/VAULT00/POOL/LAB001_erased:erase-by-list',
    );
  });

  it('gets a missing line once, and only in the run that it belongs to', async () => {
    const { list, log } = listAt(AT_MS);
    const line = '/VAULT00/BILL/Q00001 erased';
    await list.begin('factory');
    await list.add(NAME, line);
    await list.addMissing(NAME, line);
    await list.begin('factory');
    await list.addMissing(NAME, line);
    await list.addMissing(NAME, line);
    expect(
      log.files
        .get(NAME)
        ?.split('\n')
        .filter((each) => each === line),
    ).toHaveLength(2);
    await list.addMissing('erasebylist.03Mar05.log', line);
    expect(log.files.get('erasebylist.03Mar05.log')).toBe(`${line}\n`);
  });
});
