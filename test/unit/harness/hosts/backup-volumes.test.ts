import { describe, expect, it } from 'vitest';
import { backupToVolumes, restoreFromVolumes } from '../../../../harness/hosts/backup-volumes.ts';
import type { VolumesBackup } from '../../../../harness/hosts/backup-volumes.ts';
import { OpenSystemsHost } from '../../../../harness/hosts/open-systems-host.ts';
import { MIB } from '../../../../src/base/units.ts';
import { DriveDouble, LIMIT_MS, scene } from './host-scene.ts';
import type { Scene } from './host-scene.ts';

const BLOCKS = Array.from({ length: 60 }, (_, index) => new Uint8Array(60_000).fill(index + 1));
const CAPACITY_BYTES = MIB;

/** Whenever the host asks for a tape, it is put into the first drive. */
async function attend(
  { world, host, drives }: Scene,
  type: 'IBM' | 'BACKUP',
  scratch: string[],
  done: () => boolean,
): Promise<void> {
  const known = new Set<string>();
  while (!done()) {
    await world.advance(500);
    const [request] = host.zsvr.requests;
    if (request === undefined || drives[0].drive.state.volume !== undefined) continue;
    const volume = request.volume ?? scratch.shift() ?? 'NONE';
    drives[0].load(volume, {
      ring: request.ring,
      type,
      again: known.has(volume),
      capacityBytes: CAPACITY_BYTES,
    });
    known.add(volume);
  }
}

async function perform<Result>(
  made: Scene,
  type: 'IBM' | 'BACKUP',
  scratch: string[],
  work: Promise<Result>,
): Promise<Result> {
  let ended = false;
  const ending = work.finally(() => {
    ended = true;
  });
  ending.catch(() => {
    // The test has it at the end.
  });
  await attend(made, type, scratch, () => ended);
  return ending;
}

describe('BACKUP over several volumes', () => {
  it.each(['BACKUP', 'IBM'] as const)('with %s labels restores block for block', async (labels) => {
    const made = scene();
    const job: VolumesBackup = {
      file: 'PAYROLL.DATA',
      volumes: ['LAB001', 'LAB002', 'LAB003', 'LAB004', 'LAB005'],
      labels,
      blocks: BLOCKS,
      timeoutMs: LIMIT_MS,
    };
    const backup = backupToVolumes(made.host.zsvr, made.world.clock, job);
    // The tapes are used again from the shelf: one attendance for both.
    const read: number[] = [];
    const both = backup.then(async (written) => ({
      written,
      restored: await restoreFromVolumes(made.host.zsvr, {
        ...job,
        volumes: written.volumes,
        onBlock: (block) => void read.push(block[0] ?? 0),
      }),
    }));
    const { written, restored } = await perform(made, labels, [], both);
    expect(written.volumes.length).toBeGreaterThan(2);
    expect(written).toMatchObject({ blockCount: 60, byteCount: 3_600_000 });
    expect(restored).toEqual(written);
    expect(read).toEqual(BLOCKS.map((block) => block[0]));
    const texts = made.host.emsLines.map((line) => line.trim()).join(' ');
    // Continuation volumes are asked for by reel, on the device of the first.
    expect(texts).toContain('LAB002 REEL 2 ON $TAPE0 WITH RING');
    expect(texts).toContain('LAB002 REEL 2 ON $TAPE0 NO RING');
  });

  it('takes scratch tapes once its volumes are used up', async () => {
    const made = scene();
    const scratch = ['SCR1', 'SCR2', 'SCR3', 'SCR4', 'SCR5'];
    const totals = await perform(
      made,
      'BACKUP',
      scratch,
      backupToVolumes(made.host.zsvr, made.world.clock, {
        file: 'BIG',
        volumes: ['LAB001'],
        blocks: BLOCKS,
        timeoutMs: LIMIT_MS,
      }),
    );
    expect(totals.volumes.slice(0, 3)).toEqual(['LAB001', 'SCR1', 'SCR2']);
    expect(made.events()).toContain('602');
  });

  it('does not restore a volume of another file, nor in another order', async () => {
    const made = scene();
    const job = { file: 'ONE', timeoutMs: LIMIT_MS };
    const backup = (file: string, volume: string): Promise<unknown> =>
      backupToVolumes(made.host.zsvr, made.world.clock, {
        ...job,
        file,
        volumes: [volume],
        blocks: BLOCKS.slice(0, 2),
      });
    const restore = (volumes: string[]): Promise<unknown> =>
      restoreFromVolumes(made.host.zsvr, { ...job, volumes, onBlock: () => {} });
    const all = backup('ONE', 'LAB001')
      .then(() => backup('TWO', 'LAB002'))
      .then(() => restore(['LAB002']));
    await expect(perform(made, 'BACKUP', [], all)).rejects.toThrow(
      'LAB002 holds TWO, section 1; asked was ONE, section 1',
    );
  });
});

describe('an open-systems host', () => {
  it('writes and reads archives by SCSI alone, and unloads', async () => {
    const { world } = scene();
    const drive = new DriveDouble();
    const host = new OpenSystemsHost(world.clock, drive);
    const waiting = host.awaitTape(60_000);
    await world.advance(5_000);
    drive.load('UNIX01', { ring: true, type: null });
    await world.finish(waiting, 5_000);
    await host.write([new Uint8Array(512).fill(1), new Uint8Array(512).fill(2)]);
    await host.append([new Uint8Array(512).fill(3)]);
    const archives = await host.readAll();
    expect(archives.map((blocks) => blocks.map((block) => block[0]))).toEqual([[1, 2], [3]]);
    await host.unload();
    expect(drive.drive.state.volume).toBeUndefined();
  });

  it('gives up where no tape comes', async () => {
    const { world } = scene();
    const host = new OpenSystemsHost(world.clock, new DriveDouble());
    const waiting = host.awaitTape(3_000).catch((error: unknown) => error);
    expect(await world.finish(waiting, 10_000)).toMatchObject({ code: 'MOUNT_CANCELLED' });
  });
});
