/** Recall of migrated tapes at a mount, over production services in a simulated world. */
import { describe, expect, it } from 'vitest';
import { BMA_PROGRAM } from '../../../harness/peers/backup-application.ts';
import { openSimulatedEngine } from '../../../src/platform/engine.ts';
import { RECALL_RETRY_MS } from '../../../src/server/recalls.ts';
import { stageCopies } from '../../../src/server/tape-content.ts';
import type { HsmProgram, HsmSettings } from '../../../src/server/bma.ts';
import type { ProfileName } from '../../../src/server/profiles.ts';
import { Bench, waiting } from './bench.ts';

const client = (verb: string): HsmProgram => ({
  command: [
    BMA_PROGRAM,
    verb,
    '--path',
    '{path}',
    '--generation',
    '{generation}',
    '--store',
    '{store}',
  ],
  keywords: [],
  timeoutMs: 60_000,
});
const HSM: HsmSettings = {
  enable: true,
  backup: { TSM: client('archive'), NBU: client('archive') },
  restore: { TSM: client('restore'), NBU: client('restore') },
};

/** East, with an application that keeps the stores that it is given. */
async function start(profile: ProfileName = '8.3'): Promise<Bench> {
  const bench = await Bench.start({ settings: { hsm: HSM, profile } });
  const { backup, disk } = bench.east;
  backup.carry = async ({ arguments: [verb], path, store }) => {
    const name = path.split('/').at(-1) ?? '';
    const [given, kept] = await Promise.all(
      [store, '/archive'].map((at) => openSimulatedEngine(disk, at, { mode: 'create' })),
    );
    if (given === undefined || kept === undefined) return;
    const [from, to] = verb === 'archive' ? [given, kept] : [kept, given];
    await stageCopies({ from, to }, [name], () => name);
    await given.close();
    await kept.close();
  };
  return bench;
}

const manifestOf = (bench: Bench): Promise<Uint8Array> =>
  bench.finish(bench.east.engine.exportManifest('LAB001'));

/** A backup on LAB001, migrated and erased; its manifest. */
async function migrateAndErase(bench: Bench, verb = 'TSM'): Promise<Uint8Array> {
  await bench.backUp(1, 70_000);
  await bench.world.advance(1_000);
  const manifest = await manifestOf(bench);
  const words = verb === 'TSM' ? 'archive /VAULT00/POOL1/LAB001' : '/VAULT00/POOL1/LAB001';
  const text = `VTSPolicy ${verb} '${words}'`;
  expect(await bench.east.call('policy.run', { text })).toMatchObject({
    answers: [{ outcome: 'migrated' }],
  });
  await bench.east.call('tape.erase', { name: 'LAB001' });
  return manifest;
}

const openMounts = async (bench: Bench): Promise<string[]> =>
  (await bench.east.catalog.listMounts({ open: true })).map((mount) => mount.tape);

describe('a tape that was migrated and erased', () => {
  it('is recalled when a host asks for it, and mounted with the content that it had', async () => {
    const bench = await start();
    const manifest = await migrateAndErase(bench);
    const before = await bench.east.catalog.findTape('LAB001');
    expect(before).toMatchObject({ payloadBytes: 0, generation: 2 });
    expect(await manifestOf(bench)).not.toEqual(manifest);
    const { calls } = bench.east.backup;
    bench.east.backup.durationMs = 5_000;
    await bench.request('LAB001', { ring: false });
    expect(await waiting(bench)).toEqual(['LAB001: waiting for recall by TSM']);
    await bench.world.advance(5_000);
    expect(await openMounts(bench)).toEqual(['LAB001']);
    expect(await waiting(bench)).toEqual([]);
    expect(calls.at(-1)).toMatchObject({ path: '/VAULT00/POOL1/LAB001', generation: 1 });
    expect(await manifestOf(bench)).toEqual(manifest);
    const after = await bench.east.catalog.findTape('LAB001');
    expect(after).toMatchObject({ generation: 3, writtenAtMs: before?.writtenAtMs });
    expect(after?.restoredAtMs).toBeGreaterThan(before?.erasedAtMs ?? 0);
    expect(await bench.east.log('224108')).toEqual([
      'Cartridge LAB001 recalled by TSM, generation 3',
    ]);
    await bench.unload();
    await bench.world.advance(1_000);
    expect(await bench.east.call('tape.show', { name: 'LAB001' })).toMatchObject({
      state: 'written, migrated',
    });
    // The application has this content already.
    const text = "VTSPolicy TSM 'archive /VAULT00/POOL1/LAB001'";
    expect(await bench.east.call('policy.run', { text })).toMatchObject({ outcome: '1 unchanged' });
    expect(await bench.east.catalog.listLocks()).toEqual([]);
    expect(bench.east.faults).toEqual([]);
  });

  it.each(['fails', 'lies', 'killed', 'missing'] as const)(
    'waits on where the client %s, and is recalled again after a while',
    async (behaviour) => {
      const bench = await start();
      await migrateAndErase(bench);
      bench.east.backup.behaviour = behaviour;
      await bench.request('LAB001');
      await bench.world.advance(10_000);
      expect(await waiting(bench)).toEqual(['LAB001: waiting for recall by TSM']);
      expect(await bench.east.log('624109')).toHaveLength(1);
      expect(await bench.east.catalog.listLocks()).toEqual([]);
      bench.east.backup.behaviour = 'works';
      await bench.world.advance(RECALL_RETRY_MS - 20_000);
      expect(await openMounts(bench)).toEqual([]);
      await bench.world.advance(90_000);
      expect(await openMounts(bench)).toEqual(['LAB001']);
      expect(await bench.east.log('624109')).toHaveLength(1);
    },
  );

  it('is recalled for an operator, who is told to wait', async () => {
    const bench = await start();
    await migrateAndErase(bench);
    const mount = { tape: 'LAB001', drive: 'VTD01' };
    await expect(bench.east.call('mount.create', mount)).rejects.toThrow(
      /waiting for recall by TSM/,
    );
    await bench.world.advance(5_000);
    expect(await bench.east.call('mount.create', mount)).toMatchObject({ tape: 'LAB001' });
  });

  it('is not given another content than was migrated', async () => {
    const bench = await start();
    await migrateAndErase(bench);
    const { carry } = bench.east.backup;
    bench.east.backup.carry = async (call) => {
      await carry?.({ ...call, path: '/VAULT00/POOL1/LAB001' });
      const store = await openSimulatedEngine(bench.east.disk, call.store, { mode: 'create' });
      await stageCopies({ from: bench.east.engine, to: store }, ['LAB001'], (name) => name);
      await store.close();
    };
    await bench.request('LAB001');
    await bench.world.advance(10_000);
    expect(await openMounts(bench)).toEqual([]);
    expect(await bench.east.log('624109')).toEqual([
      expect.stringMatching(/it is not the content of generation 1, which was migrated/),
    ]);
    expect(await bench.east.catalog.findTape('LAB001')).toMatchObject({ payloadBytes: 0 });
    const images = await bench.finish(bench.east.engine.listImages());
    expect(images.map(({ name }) => name)).toEqual(['LAB001', 'LAB002']);
  });

  it('is recalled anew where the server was killed meanwhile', async () => {
    const bench = await start();
    const manifest = await migrateAndErase(bench);
    bench.east.backup.behaviour = 'hangs';
    await bench.request('LAB001');
    await bench.world.advance(10_000);
    expect(await bench.east.catalog.listLocks()).toHaveLength(1);
    bench.east.backup.behaviour = 'works';
    await bench.east.restart();
    await bench.world.advance(20_000);
    expect(await openMounts(bench)).toEqual(['LAB001']);
    expect(await manifestOf(bench)).toEqual(manifest);
    expect(await bench.east.catalog.listLocks()).toEqual([]);
  });

  it.each([
    ['8.3', 'NBU', false],
    ['6.04.05', 'NBU', true],
    ['6.04.05', 'TSM', true],
  ] as const)('is recalled in profile %s from %s: %s', async (profile, verb, isRecalled) => {
    const bench = await start(profile);
    await migrateAndErase(bench, verb);
    await bench.request('LAB001');
    await bench.world.advance(10_000);
    expect(await openMounts(bench)).toEqual(isRecalled ? ['LAB001'] : []);
    if (isRecalled) return;
    expect(await waiting(bench)).toEqual([
      'LAB001: migrated and erased: its application has to restore it first',
    ]);
    expect(bench.east.backup.calls).toHaveLength(1);
  });
});
