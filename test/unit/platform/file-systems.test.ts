import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import { systemFileSystems } from '../../../src/platform/file-systems.ts';

it('A file system tells its capacity and what is free, and is the same for paths on it', async () => {
  const usage = await systemFileSystems.usage(tmpdir());
  expect(usage.totalBytes).toBeGreaterThan(usage.freeBytes);
  expect(usage.freeBytes).toBeGreaterThan(0);
  expect((await systemFileSystems.usage(tmpdir())).id).toBe(usage.id);
  expect((await systemFileSystems.usage('/proc')).id).not.toBe(usage.id);
});

it('A path that is not there has no file system: DISK_IO names it', async () => {
  await expect(systemFileSystems.usage('/no/such/folder')).rejects.toMatchObject({
    code: 'DISK_IO',
    message: expect.stringContaining('/no/such/folder'),
  });
});
