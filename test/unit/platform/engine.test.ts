import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dir } from 'tmp-promise';
import { describe, expect, it } from 'vitest';
import { SimulatedDisk, openEngine, openSimulatedEngine } from '../../../src/platform/engine.ts';
import { engineConformance } from '../../conformance/engine.ts';

engineConformance('native engine on real files', async () => {
  const { path } = await dir({ unsafeCleanup: true });
  return openEngine(join(path, 'store'), { mode: 'create' });
});

engineConformance('native engine on a simulated disk', () => {
  const disk = new SimulatedDisk({ seed: 1, profile: 'any' });
  return openSimulatedEngine(disk, 'store', { mode: 'create' });
});

describe('a new store', () => {
  it('is not made among other files', async () => {
    const { path } = await dir({ unsafeCleanup: true });
    await writeFile(join(path, 'letter.txt'), '');
    await expect(openEngine(path, { mode: 'create' })).rejects.toThrow(
      `The folder ${path} is refused: it has "letter.txt" in it, and has to be empty.`,
    );
    expect(await readdir(path)).toEqual(['letter.txt']);
  });

  it('is not made in a folder of a folder that there is not', async () => {
    const { path } = await dir({ unsafeCleanup: true });
    const nowhere = join(path, 'gone', 'VAULT01');
    await expect(openEngine(nowhere, { mode: 'create' })).rejects.toThrow(
      `The folder ${nowhere} is refused: there is no folder ${join(path, 'gone')} for it.`,
    );
  });

  it('is made in an empty folder, and where one was begun', async () => {
    const { path } = await dir({ unsafeCleanup: true });
    for (let time = 0; time < 2; time += 1) {
      const engine = await openEngine(path, { mode: 'create' });
      expect(await engine.listImages()).toEqual([]);
      await engine.close();
    }
  });
});

it('names who holds a store that is open for writing', async () => {
  const { path } = await dir({ unsafeCleanup: true });
  const engine = await openEngine(join(path, 'store'), { mode: 'create' });
  const second = openEngine(join(path, 'store'), { mode: 'write' });
  await expect(second).rejects.toThrow(`process ${process.pid}`);
  await engine.close();
});
