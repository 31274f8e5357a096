import { describe, expect, it } from 'vitest';
import { GIB, generation } from '../../../src/base/units.ts';
import { LOOK_INTERVAL_MS, REQUESTS_PER_HOST_MAX } from '../../../src/server/mount-queue.ts';
import { REFUSALS_MAX } from '../../../src/server/refused-requests.ts';
import { sleep } from '../../../src/ports/clock.ts';
import { Bench, NODE, noSpace, openMounts, waiting } from './bench.ts';
import { requestOf } from './requests.ts';

describe('ems_mount_delay', () => {
  it('holds a request back for so long, with its tape locked, and no longer', async () => {
    const bench = await Bench.start({ host: { mountDelayMs: 30_000 } });
    await bench.request('LAB001');
    expect(await waiting(bench)).toEqual(['LAB001: waiting for the mount delay of 30 s']);
    await expect(bench.east.call('tape.delete', { name: 'LAB001' })).rejects.toThrow(/in use/);
    await bench.world.advance(27_000);
    expect(await openMounts(bench)).toEqual([]);
    await bench.world.advance(3_000);
    expect(await openMounts(bench)).toEqual(['LAB001 on VTD01']);
    expect(await waiting(bench)).toEqual([]);
  });

  it('is not put off by a request that comes later', async () => {
    const bench = await Bench.start({ host: { mountDelayMs: 30_000 } });
    await bench.request('LAB001');
    await bench.world.advance(20_000);
    await bench.request('LAB002');
    await bench.world.advance(10_000);
    expect(await openMounts(bench)).toEqual(['LAB001 on VTD01']);
  });

  it('unlocks the tape where the request ends before', async () => {
    const bench = await Bench.start({ host: { mountDelayMs: 30_000 } });
    const requestNumber = await bench.request('LAB001');
    await bench.log({ kind: 'request-cancelled', requestNumber, volume: 'LAB001' });
    await bench.east.call('tape.delete', { name: 'LAB001' });
    await bench.world.advance(60_000);
    expect(await openMounts(bench)).toEqual([]);
    expect(bench.east.faults).toEqual([]);
  });

  it('goes on after a restart where it was', async () => {
    const bench = await Bench.start({ host: { mountDelayMs: 30_000 } });
    await bench.request('LAB001');
    await bench.world.advance(20_000);
    await bench.east.restart();
    await bench.world.advance(4_000);
    expect(await openMounts(bench)).toEqual([]);
    await bench.world.advance(6_000);
    expect(await openMounts(bench)).toEqual(['LAB001 on VTD01']);
  });

  it('ends a copy of the tape at once, and lets it go on where the mount is not to be', async () => {
    const bench = await Bench.start({ host: { mountDelayMs: 30_000 }, copies: true });
    bench.setLink(false);
    await bench.request('LAB001');
    await bench.world.advance(30_000);
    await bench.write(1);
    await bench.unload();
    const requestNumber = await bench.request('LAB001');
    bench.setLink(true);
    await bench.world.advance(20_000);
    expect(await bench.job()).toMatchObject({ state: 'due' });
    await bench.log({ kind: 'request-rejected', requestNumber, volume: 'LAB001' });
    await bench.world.advance(600_000);
    expect(await bench.job()).toMatchObject({ state: 'copied' });
  });
});

describe('ems_mount_reset', () => {
  it('has the host reset the device first, with the tape locked, and mounts then', async () => {
    const bench = await Bench.start({ host: { resetDevices: 'ALL' } });
    bench.hostAnswer = async () => {
      await sleep(bench.world.clock, 10_000);
      return [];
    };
    await bench.request('LAB001');
    await bench.world.advance(5_000);
    expect(await waiting(bench)).toEqual(['LAB001: resetting $TAPE0']);
    await expect(bench.east.call('tape.delete', { name: 'LAB001' })).rejects.toThrow(/in use/);
    await bench.world.advance(10_000);
    expect(bench.hostCommands).toEqual(['SCF RESET TAPE $TAPE0']);
    expect(await openMounts(bench)).toEqual(['LAB001 on VTD01']);
    expect(await bench.east.log('420109')).toEqual([]);
    // The next mount is another one.
    await bench.unload();
    await bench.request('LAB002');
    await bench.world.advance(15_000);
    expect(bench.hostCommands).toHaveLength(2);
    expect(await openMounts(bench)).toEqual(['LAB002 on VTD01']);
  });

  it('mounts where the reset fails, too, and says so', async () => {
    const bench = await Bench.start({ host: { resetDevices: ['$TAPE0'] } });
    bench.hostAnswer = () => Promise.resolve(['*ERROR* $TAPE0: device in use']);
    await bench.request('LAB001');
    await bench.world.advance(10_000);
    expect(await openMounts(bench)).toEqual(['LAB001 on VTD01']);
    expect(await bench.east.log('420109')).toEqual([
      expect.stringMatching(/^The reset of \$TAPE0 of \\LAB before a mount failed: .*in use/),
    ]);
  });

  it('leaves a device alone that it does not name', async () => {
    const bench = await Bench.start({ host: { resetDevices: ['$TAPE1'] } });
    await bench.request('LAB001');
    expect(await openMounts(bench)).toEqual(['LAB001 on VTD01']);
    expect(await bench.east.log('420109')).toEqual([]);
  });
});

describe('a tape waits, with the reason,', () => {
  it('while a process has locked it, and is mounted soon after', async () => {
    const bench = await Bench.start();
    const lock = { process: 'import 4', sinceMs: 0, reason: 'the content comes in' };
    await bench.east.catalog.takeLock({ tape: 'LAB001', pool: undefined, ...lock });
    await bench.request('LAB001');
    expect(await waiting(bench)).toEqual(['LAB001: locked by import 4: the content comes in']);
    await bench.east.catalog.releaseLock({ tape: 'LAB001' });
    await bench.world.advance(LOOK_INTERVAL_MS);
    expect(await openMounts(bench)).toEqual(['LAB001 on VTD01']);
  });

  it('while its key cannot be had', async () => {
    const bench = await Bench.start();
    await bench.east.catalog.updateTape('LAB001', { keyId: 'KEY-7' });
    await bench.request('LAB001');
    expect(await waiting(bench)).toEqual([
      'LAB001: no key: KEY-7 cannot be had, since Data Encryption is not enabled on this server',
    ]);
    await expect(
      bench.east.call('mount.create', { tape: 'LAB001', drive: 'VTD01' }),
    ).rejects.toThrow(/no key/);
  });

  it('while its content is on physical tape, and is mounted once that is back', async () => {
    const bench = await Bench.start();
    const changes = { migratedAtMs: 1, erasedAtMs: 2, migratedBy: 'vts' } as const;
    await bench.east.catalog.updateTape('LAB001', changes);
    const tape = await bench.east.catalog.findTape('LAB001');
    if (tape !== undefined) {
      await bench.east.catalog.recordContent(
        { ...tape, payloadBytes: 0, generation: generation(1), capacityBytes: GIB },
        {
          tape: 'LAB001',
          generation: generation(1),
          atMs: 2,
          payloadBytes: 0,
          manifestDigest: 'ab'.repeat(32),
          origin: 'erased',
        },
      );
    }
    await bench.request('LAB001');
    // 8.3, and no Tivoli Storage Manager.
    expect(await waiting(bench)).toEqual([
      'LAB001: migrated and erased: its application has to restore it first',
    ]);
    await bench.east.catalog.updateTape('LAB001', { restoredAtMs: 3 });
    await bench.world.advance(LOOK_INTERVAL_MS);
    expect(await openMounts(bench)).toEqual(['LAB001 on VTD01']);
  });
});

describe('an operator', () => {
  it('mounts a tape by hand, and takes it out again; both stand in the event log', async () => {
    const bench = await Bench.start();
    await bench.east.call('mount.create', { tape: 'LAB002', drive: 'VTD01', ring: true });
    expect(await openMounts(bench)).toEqual(['LAB002 on VTD01']);
    const drive = await bench.drive();
    await bench.finish(drive.spaceToEndOfData());
    await bench.finish(drive.writeBlock(new Uint8Array(500).fill(7)));
    expect(await bench.east.call('mount.end', { tape: 'LAB002' })).toMatchObject({
      tape: 'LAB002',
      state: 'dismounted',
    });
    expect(await openMounts(bench)).toEqual([]);
    expect(await bench.east.log('220001')).toEqual([
      'Cartridge LAB002 for read-write has been manually mounted',
    ]);
    expect(await bench.east.log('220002')).toEqual([
      'Cartridge LAB002 has been manually unmounted',
    ]);
    // What the drive had taken in is on the tape.
    expect(await bench.east.catalog.findTape('LAB002')).toMatchObject({ generation: 1 });
    await bench.east.call('mount.create', { tape: 'LAB002', drive: 'VTD01' });
    expect(await openMounts(bench)).toEqual(['LAB002 on VTD01 no ring']);
    expect(await bench.east.log('220001')).toContain(
      'Cartridge LAB002 for read-only has been manually mounted',
    );
  });

  it('owes a copy by a mount with ring like a host', async () => {
    const bench = await Bench.start({ copies: true });
    await bench.east.call('mount.create', { tape: 'LAB001', drive: 'VTD01', ring: true });
    await bench.east.call('mount.end', { tape: 'LAB001' });
    await bench.world.advance(10_000);
    expect(await bench.job()).toMatchObject({ state: 'copied' });
  });

  it("satisfies a host's waiting request, where it is the mount that was asked for", async () => {
    const bench = await Bench.start();
    await bench.east.call('drive.create', { name: 'VTD02', host: NODE, device: '$TAPE1' });
    await bench.east.catalog.updateTape('LAB002', { keyId: 'KEY-7' });
    const requestNumber = await bench.request('LAB002', { device: '$TAPE1' });
    await bench.east.catalog.updateTape('LAB002', { keyId: undefined });
    await bench.east.call('mount.create', { tape: 'LAB002', drive: 'VTD02', ring: true });
    expect(await waiting(bench)).toEqual([]);
    expect(await bench.east.catalog.listMounts({ open: true })).toMatchObject([
      { tape: 'LAB002', drive: 'VTD02', requestNumber },
    ]);
  });

  it('is refused what cannot be, in one sentence', async () => {
    const bench = await Bench.start();
    const { east } = bench;
    await east.call('drive.create', { name: 'VTD02', host: NODE, device: '$TAPE1' });
    await bench.request('LAB001');
    const mount = (tape: string, drive: string): Promise<unknown> =>
      east.call('mount.create', { tape, drive });
    await expect(mount('LAB009', 'VTD01')).rejects.toThrow('No tape is named LAB009.');
    await expect(mount('LAB002', 'VTD09')).rejects.toThrow('No drive is named VTD09.');
    await expect(mount('LAB001', 'VTD02')).rejects.toThrow(
      /tape LAB001 is in use: mounted on VTD01/,
    );
    await expect(mount('LAB002', 'VTD01')).rejects.toThrow(/drive VTD01 is in use: tape LAB001/);
    await expect(east.call('mount.end', { tape: 'LAB002' })).rejects.toThrow(
      'No mounted tape is named LAB002.',
    );
  });

  it('whose mount fails leaves tape and drive free', async () => {
    const bench = await Bench.start();
    await bench.finish(bench.east.engine.removeImage('LAB001'));
    const call = bench.east.call('mount.create', { tape: 'LAB001', drive: 'VTD01' });
    await expect(call).rejects.toThrow(/LAB001/);
    await bench.east.call('tape.delete', { name: 'LAB001' });
    await bench.request('LAB002');
    expect(await openMounts(bench)).toEqual(['LAB002 on VTD01']);
  });

  it('takes a waiting request out of the queue', async () => {
    const bench = await Bench.start();
    await bench.request('LAB001', { device: '$TAPE7' });
    await bench.east.call('mount.drop', { host: NODE, requestNumber: 101 });
    expect(await waiting(bench)).toEqual([]);
    expect(await bench.east.log('220105')).toEqual([
      'Request 101 of \\LAB for cartridge LAB001 has ended: an operator took it out of the queue',
    ]);
    await expect(bench.east.call('mount.drop', { host: NODE, requestNumber: 101 })).rejects.toThrow(
      /No waiting request is named \\LAB 101/,
    );
  });
});

describe('a tape that the host gives back unused', () => {
  const REQUEST = requestOf('LAB001', 7, { ring: false });
  const REFUSAL = { kind: 'write-protected', device: '$TAPE0', volume: 'LAB001' } as const;

  it('is mounted again for its request, and after the third time no more', async () => {
    const bench = await Bench.start();
    await bench.log(REQUEST);
    for (let time = 1; time <= REFUSALS_MAX; time += 1) {
      expect(await openMounts(bench)).toEqual(['LAB001 on VTD01 no ring']);
      await bench.unload();
      await bench.log(REFUSAL);
      expect(await openMounts(bench)).toEqual([]);
      await bench.world.advance(LOOK_INTERVAL_MS);
    }
    expect(await waiting(bench)).toEqual([
      'LAB001: the host refused the tape: it is write protected, 3 times',
    ]);
    await bench.world.advance(10 * LOOK_INTERVAL_MS);
    expect(await openMounts(bench)).toEqual([]);
    // A new request of that number is another one.
    await bench.log({ kind: 'request-cancelled', requestNumber: 7, volume: 'LAB001' });
    await bench.log(REQUEST);
    expect(await openMounts(bench)).toEqual(['LAB001 on VTD01 no ring']);
  });

  it('is mounted for a newer request of its number, where the host was loaded anew', async () => {
    const bench = await Bench.start();
    await bench.log(REQUEST);
    await bench.log({ ...REQUEST, number: 600, ring: true });
    expect(await waiting(bench)).toEqual(['LAB001: tape in use on VTD01']);
    await bench.unload();
    await bench.log(REFUSAL);
    await bench.world.advance(LOOK_INTERVAL_MS);
    expect(await openMounts(bench)).toEqual(['LAB001 on VTD01']);
    expect(await waiting(bench)).toEqual([]);
  });

  it('is not mounted again where a job had it', async () => {
    const bench = await Bench.start();
    await bench.log(REQUEST);
    await bench.log({ kind: 'mounted', requestNumber: 7, volume: 'LAB001' });
    // The job writes to a protected tape.
    await bench.log(REFUSAL);
    await bench.unload();
    await bench.world.advance(10 * LOOK_INTERVAL_MS);
    expect(await openMounts(bench)).toEqual([]);
    expect(await waiting(bench)).toEqual([]);
  });
});

describe('a tape whose request has ended when its host gives it back', () => {
  it.each([
    { kind: 'request-rejected', requestNumber: 7, volume: 'LAB001' },
    { kind: 'mounted', requestNumber: 7, volume: 'LAB001' },
  ] as const)('is not mounted again, however late %j is heard', async (end) => {
    const bench = await Bench.start();
    await bench.log(requestOf('LAB001', 7));
    await bench.unload();
    await bench.log(end);
    await bench.log({ kind: 'wrong-tape', device: '$TAPE0', volume: 'LAB001', wanted: 'LAB002' });
    await bench.world.advance(10 * LOOK_INTERVAL_MS);
    expect(await openMounts(bench)).toEqual([]);
  });
});

describe('a host that takes a tape for another request than it was mounted for', () => {
  it('has the other one served afterwards', async () => {
    const bench = await Bench.start();
    await bench.request('LAB001', { device: '$TAPE7' });
    bench.host.logZsvr(requestOf('LAB001', 7));
    await bench.world.advance(1_000);
    expect(await openMounts(bench)).toEqual(['LAB001 on VTD01']);
    await bench.log({ kind: 'mounted', requestNumber: 101, volume: 'LAB001' });
    expect(await waiting(bench)).toEqual(['LAB001: tape in use on VTD01']);
    await bench.unload();
    await bench.world.advance(1_000);
    expect(await bench.east.catalog.listMounts({ open: true })).toMatchObject([
      { tape: 'LAB001', requestNumber: 7 },
    ]);
  });
});

describe('a host that loops mount requests', () => {
  it('fills its queue and no more, which is told once', async () => {
    const bench = await Bench.start();
    for (let requestNumber = 0; requestNumber < REQUESTS_PER_HOST_MAX; requestNumber += 1) {
      const receivedAtMs = bench.world.clock.nowMs();
      await bench.east.catalog.putMountRequest({
        host: NODE,
        requestNumber: 9_999 - requestNumber,
        tape: 'LAB001',
        device: '$TAPE7',
        ring: true,
        receivedAtMs,
        reason: 'no drive is connected as $TAPE7',
      });
    }
    await bench.request('LAB001', { device: '$TAPE7' });
    await bench.request('LAB001', { device: '$TAPE7' });
    expect(await waiting(bench)).toHaveLength(REQUESTS_PER_HOST_MAX);
    expect(await bench.east.log('420113')).toHaveLength(1);
  });
});

describe('a look at the queue', () => {
  /** LAB001 and LAB002 wait, in this order, for somebody to unlock them. */
  async function twoLocked(): Promise<Bench> {
    const bench = await Bench.start();
    const lock = { pool: undefined, process: 'import 4', sinceMs: 0, reason: 'it comes in' };
    for (const tape of ['LAB001', 'LAB002']) {
      await bench.east.catalog.takeLock({ ...lock, tape });
      await bench.request(tape);
    }
    return bench;
  }
  const GONE = { goneTapes: ['LAB002'], gonePools: [], pools: [], tapes: [], generations: [] };

  it.each(['catalog.findTape', 'catalog.putMountRequest'])(
    'goes on where the keeper of a shared vault takes a tape away meanwhile (%s)',
    async (where) => {
      const bench = await twoLocked();
      await bench.east.catalog.releaseLock({ tape: 'LAB001' });
      await bench.east.catalog.releaseLock({ tape: 'LAB002' });
      bench.east.before = async (call, [first]) => {
        const tape =
          typeof first === 'string' ? first : (first as { tape?: string } | undefined)?.tape;
        if (call !== where || tape !== 'LAB002') return;
        await bench.east.catalog.applyVaultChanges('VAULT00', GONE);
      };
      await bench.world.advance(LOOK_INTERVAL_MS);
      expect(await openMounts(bench)).toEqual(['LAB001 on VTD01']);
      expect(await waiting(bench)).toEqual([]);
      expect(bench.east.faults).toEqual([]);
    },
  );

  it('has a next one where it fails', async () => {
    const bench = await twoLocked();
    await bench.east.catalog.releaseLock({ tape: 'LAB002' });
    const lock = { pool: undefined, process: 'import 5', sinceMs: 0, reason: 'it comes in' };
    await bench.east.catalog.releaseLock({ tape: 'LAB001' });
    await bench.east.catalog.takeLock({ ...lock, tape: 'LAB001' });
    bench.east.before = (call) => {
      if (call === 'catalog.putMountRequest') throw noSpace();
    };
    await bench.world.advance(LOOK_INTERVAL_MS);
    expect(await openMounts(bench)).toEqual([]);
    bench.east.before = () => undefined;
    await bench.world.advance(LOOK_INTERVAL_MS);
    expect(await openMounts(bench)).toEqual(['LAB002 on VTD01']);
  });
});
