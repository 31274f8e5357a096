import { join } from 'node:path';
import { dir } from 'tmp-promise';
import { expect, it } from 'vitest';
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

it('names who holds a store that is open for writing', async () => {
  const { path } = await dir({ unsafeCleanup: true });
  const engine = await openEngine(join(path, 'store'), { mode: 'create' });
  const second = openEngine(join(path, 'store'), { mode: 'write' });
  await expect(second).rejects.toThrow(`process ${process.pid}`);
  await engine.close();
});
