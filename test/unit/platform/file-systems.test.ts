import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import { mountOf, systemFileSystems } from '../../../src/platform/file-systems.ts';

it('A file system tells its capacity and what is free, and is the same for paths on it', async () => {
  const usage = await systemFileSystems.usage(tmpdir());
  expect(usage.totalBytes).toBeGreaterThan(usage.freeBytes);
  expect(usage.freeBytes).toBeGreaterThan(0);
  expect((await systemFileSystems.usage('/proc')).type).toBe('proc');
  expect((await systemFileSystems.usage(tmpdir())).id).toBe(usage.id);
  expect((await systemFileSystems.usage('/proc')).id).not.toBe(usage.id);
});

it('A path that is not there has no file system: DISK_IO names it', async () => {
  await expect(systemFileSystems.usage('/no/such/folder')).rejects.toMatchObject({
    code: 'DISK_IO',
    message: expect.stringContaining('/no/such/folder'),
  });
});

it('A mount is found by its device number, with its type and source', () => {
  const text = [
    '22 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw',
    '95 22 253:300 / /gfs rw,relatime shared:9 - gfs2 /dev/mapper/vg-gfs rw,errors=panic',
    '96 22 0:52 / /nfs rw - nfs4 10.0.0.5:/export/tape rw,vers=4.2',
  ].join('\n');
  const dev = (major: number, minor: number): number =>
    major * 256 + (minor % 256) + Math.floor(minor / 256) * 2 ** 20;
  expect(mountOf(text, dev(8, 2))).toEqual({
    type: 'ext4',
    source: '/dev/sda2',
    options: ['rw', 'relatime', 'rw'],
  });
  expect(mountOf(text, dev(253, 300))).toEqual({
    type: 'gfs2',
    source: '/dev/mapper/vg-gfs',
    options: ['rw', 'relatime', 'rw', 'errors=panic'],
  });
  expect(mountOf(text, dev(0, 52))).toEqual({
    type: 'nfs4',
    source: '10.0.0.5:/export/tape',
    options: ['rw', 'rw', 'vers=4.2'],
  });
  expect(mountOf(text, dev(0, 53))).toBeUndefined();
});
