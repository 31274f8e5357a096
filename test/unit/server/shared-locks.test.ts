import { describe, expect, it } from 'vitest';
import { newModelVault } from '../../../harness/world/simulated-vault.ts';
import { lockWarning } from '../../../src/server/shared-locks.ts';
import { SharedBench } from './shared-bench.ts';

const usage = (type: string, ...options: readonly string[]): Parameters<typeof lockWarning>[1] => ({
  id: '1',
  totalBytes: 2,
  freeBytes: 1,
  type,
  options,
});

describe('the locks of a file system that a vault is to be shared on', () => {
  it.each([
    ['nfs', 'nolock'],
    ['nfs4', 'local_lock=all'],
    ['nfs', 'local_lock=flock'],
    ['gfs2', 'localflocks'],
    ['ocfs2', 'localflocks'],
    ['lustre', 'localflock'],
    ['cifs', 'nobrl'],
  ])('are refused where one machine does not see those of another: %s with %s', (type, option) => {
    expect(() => lockWarning('GFS1', usage(type, 'rw', option))).toThrow(
      'hold on one machine only, and two servers would write',
    );
  });

  it.each(['nfs4', 'gfs2', 'ocfs2', 'ceph', 'ext4', 'xfs', 'tmpfs'])('are good on %s', (type) => {
    expect(lockWarning('GFS1', usage(type, 'rw', 'local_lock=none'))).toBeUndefined();
  });

  it.each(['fuse.sshfs', '9p', 'virtiofs', 'cifs', 'constructor'])(
    'are not known of %s',
    (type) => {
      expect(lockWarning('GFS1', usage(type, 'rw'))).toContain(`whether locks on ${type} hold`);
    },
  );

  it('keep a vault from being shared, which then is not made, and are warned of', async () => {
    const bench = await SharedBench.start();
    const { east, west, world } = bench;
    const disk = { id: 'x', totalBytes: 2, freeBytes: 1 };
    const vault = { name: 'VAULT00', path: '/shared' };
    await bench.call(west, 'vault.leave', { name: 'VAULT00' });
    west.server.fileSystem = { ...disk, type: '9p', options: [] };
    expect(await bench.call(west, 'vault.join', vault)).toMatchObject({
      warning: expect.stringContaining('locks on 9p'),
    });
    expect(await bench.log(west, '426117')).toHaveLength(1);
    // From here on east has another disk.
    const other = newModelVault({ seed: 1, leftovers: 'any' });
    Object.assign(east.view, { openScratch: () => other.open() });
    await bench.finish(east.server.stop());
    await bench.finish(east.server.start());
    await world.advance(5_000);
    east.server.fileSystem = { ...disk, type: 'nfs', options: ['nolock'] };
    await expect(
      bench.call(east, 'vault.create', { name: 'GFS1', path: '/scratch-gfs', shared: true }),
    ).rejects.toThrow('locks on nfs mounted so (nolock)');
    expect((await east.server.catalog.listVaults()).map(({ name }) => name)).toEqual(['VAULT00']);
  });
});
