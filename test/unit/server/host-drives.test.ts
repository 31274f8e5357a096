import { describe, expect, it } from 'vitest';
import { ASK_INTERVAL_MS, TAKEN_WITHIN_MS } from '../../../src/server/host-drives.ts';
import { Bench, NODE, waiting } from './bench.ts';
import { requestOf } from './requests.ts';

const HEAD = 'Tape Drive  Status  Tape Name  Label Type';
const COMMAND = 'MEDIACOM STATUS TAPEDRIVE';

const openMounts = async (bench: Bench): Promise<string[]> =>
  (await bench.east.catalog.listMounts({ open: true })).map(
    ({ tape, drive }) => `${tape} ${drive}`,
  );

/** The host asks for LAB001, and does not look at its drives. */
async function untaken(device?: string): Promise<Bench> {
  const bench = await Bench.start();
  await bench.east.call('drive.create', { name: 'VTD02', host: NODE, device: '$TAPE1' });
  await bench.log(requestOf('LAB001', 7, { device }));
  expect(await openMounts(bench)).toEqual(['LAB001 VTD01']);
  return bench;
}

const says = (bench: Bench, ...rows: string[]): void => {
  bench.hostAnswer = () => Promise.resolve([HEAD, ...rows]);
};

describe('a tape that its host does not take', () => {
  it('goes to another drive where the device is stopped there', async () => {
    const bench = await untaken();
    says(bench, '$TAPE0 DOWN', '$TAPE1 FREE');
    await bench.world.advance(TAKEN_WITHIN_MS + 5_000);
    expect(bench.hostCommands).toEqual([COMMAND]);
    expect(await openMounts(bench)).toEqual(['LAB001 VTD02']);
    expect(await bench.east.log('420114')).toEqual([
      String.raw`Cartridge LAB001 was taken out of VTD01 again: $TAPE0 is DOWN on \LAB`,
    ]);
    expect(bench.east.faults).toEqual([]);
  });

  it('waits for the device that was asked for, and is mounted there once it is up again', async () => {
    const bench = await untaken('$TAPE0');
    says(bench, '$TAPE0 UNAVL', '$TAPE1 FREE');
    await bench.world.advance(TAKEN_WITHIN_MS + 5_000);
    expect(await openMounts(bench)).toEqual([]);
    expect(await waiting(bench)).toEqual([String.raw`LAB001: $TAPE0 is UNAVL on \LAB`]);
    // Nobody else is kept waiting, and the tape is free.
    expect(await bench.request('LAB002')).toBe(101);
    expect(await openMounts(bench)).toEqual(['LAB002 VTD02']);
    says(bench, '$TAPE0 FREE', '$TAPE1 INUSE LAB002');
    await bench.world.advance(ASK_INTERVAL_MS + 5_000);
    expect(await openMounts(bench)).toEqual(['LAB002 VTD02', 'LAB001 VTD01']);
    bench.hostCommands.length = 0;
    await bench.log({ kind: 'mounted', requestNumber: 7, volume: 'LAB001' });
    await bench.world.advance(10 * ASK_INTERVAL_MS);
    expect(bench.hostCommands).toEqual([]);
  });

  it('stays where it is where the host says nothing against it, or nothing at all', async () => {
    for (const rows of [[HEAD, '$TAPE0 FREE'], ['*ERROR* Security violation']]) {
      const bench = await untaken();
      bench.hostAnswer = () => Promise.resolve(rows);
      await bench.world.advance(TAKEN_WITHIN_MS + 5_000);
      expect(await openMounts(bench)).toEqual(['LAB001 VTD01']);
      expect(await bench.east.log('420126')).toHaveLength(rows.length === 1 ? 1 : 0);
    }
  });

  it('is left alone where the host has taken it meanwhile, or an operator mounted it', async () => {
    const bench = await untaken();
    says(bench, '$TAPE0 DOWN');
    await bench.log({ kind: 'mounted', requestNumber: 7, volume: 'LAB001' });
    await bench.east.call('mount.create', { tape: 'LAB002', drive: 'VTD02', ring: true });
    await bench.world.advance(3 * TAKEN_WITHIN_MS);
    expect(bench.hostCommands).toEqual([]);
    expect(await openMounts(bench)).toEqual(['LAB001 VTD01', 'LAB002 VTD02']);
  });

  it('is told of where the host cannot read its label (608), and stays', async () => {
    const bench = await untaken();
    await bench.log({ kind: 'unknown-tape', requestNumber: 7, device: '$TAPE0' });
    await bench.log({ kind: 'unknown-tape', requestNumber: 8, device: '$TAPE7' });
    expect(await bench.east.log('420115')).toEqual([
      String.raw`Cartridge LAB001 on VTD01 has no label that \LAB can read: request 7 waits for its operator`,
    ]);
    expect(await openMounts(bench)).toEqual(['LAB001 VTD01']);
  });
});
