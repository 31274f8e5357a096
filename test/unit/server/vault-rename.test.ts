import { describe, expect, it } from 'vitest';
import { Yard } from '../../../harness/world/yard.ts';
import { Bench, TARGET } from './bench.ts';

describe('a vault that is renamed', () => {
  it('has all that lies in it under its new name, also after a power cut', async () => {
    const yard = await Yard.start();
    await yard.write('LAB001', 7);
    expect(await yard.call('vault.rename', { name: 'VAULT00', newName: 'VAULT07' })).toMatchObject({
      name: 'VAULT07',
      path: '/VAULT00',
    });
    expect(await yard.call('tape.show', { name: 'LAB001' })).toMatchObject({
      path: '/VAULT07/POOL1/LAB001',
    });
    await yard.call('tape.create', { name: 'LAB003', pool: 'POOL1' });
    expect(await yard.call('tape.verify', {})).toMatchObject({ imageCount: 3, damages: [] });
    expect(await yard.events()).toContain('Vault VAULT00 renamed to VAULT07');
    await yard.powerCut();
    expect(await yard.call('vault.list')).toMatchObject([
      { name: 'VAULT01', state: 'open' },
      { name: 'VAULT07', state: 'open', tapeCount: 3 },
    ]);
    expect(await yard.call('tape.verify', {})).toMatchObject({ imageCount: 3, damages: [] });
  });

  it('is refused a name that is taken or none, and where it is not there', async () => {
    const yard = await Yard.start();
    const rename = (name: string, newName: string) =>
      yard.refusal('vault.rename', { name, newName });
    expect((await rename('VAULT00', 'VAULT01')).code).toBe('ALREADY_EXISTS');
    expect((await rename('VAULT00', '../x')).code).toBe('NAME_INVALID');
    expect((await rename('VAULT09', 'VAULT02')).code).toBe('NOT_FOUND');
  });

  it('is refused while something works with it under its name', async () => {
    const bench = await Bench.start({ copies: true, host: { vaults: ['VAULT00'] } });
    const rename = (newName = 'VAULT07') =>
      bench.east.call('vault.rename', { name: 'VAULT00', newName });
    await expect(rename()).rejects.toThrow(/ems_vaults_LAB.*add VAULT07/);
    await bench.request('LAB001');
    await expect(rename()).rejects.toThrow(/tape LAB001 is mounted/);
    await bench.unload();
    await bench.world.advance(10_000);
    const source = { vault: 'VAULT00' };
    await bench.east.call('idr.create', { name: 'NIGHTLY', target: TARGET, sources: [source] });
    await expect(rename()).rejects.toThrow(/scheme NIGHTLY names it/);
    await bench.east.call('idr.delete', { name: 'NIGHTLY' });
    const lock = { process: 'import 4', sinceMs: 0, reason: 'the content comes in' };
    await bench.east.catalog.takeLock({ tape: 'LAB002', pool: undefined, ...lock });
    await expect(rename()).rejects.toThrow(/import 4 has locked LAB002/);
    await bench.east.catalog.releaseLock({ tape: 'LAB002' });
    await bench.east.catalog.shareVault('VAULT00', 'ab'.repeat(16));
    await expect(rename()).rejects.toThrow(/servers that share it/);
  });
});
