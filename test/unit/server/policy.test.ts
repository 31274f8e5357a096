/** VTSPolicy from a host's event to the tape, over production services in a simulated world. */
import { describe, expect, it } from 'vitest';
import { BMA_PROGRAM } from '../../../harness/peers/backup-application.ts';
import { sendByFup, sendByMacro, sendByNetBatch } from '../../../harness/hosts/policy-routes.ts';
import { SECOND_MS } from '../../../src/base/units.ts';
import type { HsmSettings } from '../../../src/server/bma.ts';
import { Policy } from '../../../src/server/policy.ts';
import type { PolicyReport } from '../../../src/server/policy.ts';
import { Bench, NODE, TARGET } from './bench.ts';

const HSM: HsmSettings = {
  enable: true,
  backup: {
    TSM: {
      command: [
        BMA_PROGRAM,
        '{backupType}',
        '--path',
        '{path}',
        '--generation',
        '{generation}',
        '-optfile={optfile}',
        '{copies}',
      ],
      keywords: ['copies'],
      timeoutMs: 60 * SECOND_MS,
    },
  },
};
const ERASE = 'VTSPolicy Erase - /VAULT00/POOL1/LAB001';
const TSM = "VTSPolicy TSM 'archive /VAULT00/POOL1'";
/** Longer than a quiet session holds an event, and a question about its end takes. */
const HEARD_MS = 2 * SECOND_MS;

const start = (options: Parameters<typeof Bench.start>[0] = {}): Promise<Bench> =>
  Bench.start({ ...options, settings: { hsm: HSM, ...options.settings } });

async function send(bench: Bench, text: string): Promise<void> {
  sendByMacro(bench.host, text);
  await bench.world.advance(HEARD_MS);
}

const runs = async (bench: Bench) =>
  (await bench.east.catalog.listPolicyRuns({ limit: 100 })).toReversed();

const sizeOf = async (bench: Bench, tape: string) =>
  (await bench.east.catalog.findTape(tape))?.payloadBytes;

describe('VTSPolicy', () => {
  it('erases and deletes by a TACL macro, and tells of it under the host’s name', async () => {
    const bench = await start();
    await bench.backUp(1);
    await send(bench, 'VTSPolicy Erase - /VAULT00/POOL1/LAB001 s=east');
    expect(await bench.east.catalog.findTape('LAB001')).toMatchObject({ payloadBytes: 0 });
    expect((await runs(bench))[0]).toMatchObject({
      host: NODE,
      state: 'done',
      outcome: '1 erased',
    });
    await send(bench, 'VTSPolicy Delete - LAB001 LAB002');
    expect(await bench.east.catalog.listTapes()).toEqual([]);
    const rows = await bench.east.catalog.listEvents({ limit: 100 });
    const erased = rows.find((row) => row.messageId === '421013');
    expect(erased).toMatchObject({ user: NODE, program: 'VTSPolicy' });
    expect(bench.east.faults).toEqual([]);
  });

  it('comes by FUP and by NetBatch as well', async () => {
    const bench = await start();
    await bench.backUp(1);
    sendByFup(bench.host, ERASE);
    await bench.world.advance(HEARD_MS);
    expect(await sizeOf(bench, 'LAB001')).toBe(0);
    const { clock } = bench.world;
    sendByNetBatch(bench.host, 'VTSPolicy Delete - LAB001', { clock, minutes: 2 });
    await bench.world.advance(30_000);
    expect(await sizeOf(bench, 'LAB001')).toBe(0);
    await bench.world.advance(120_000);
    expect(await sizeOf(bench, 'LAB001')).toBeUndefined();
  });

  it.each([
    [
      'is 102 characters long, behind which s=west was cut off',
      `${ERASE} /VAULT00/POOL1/LAB002 /VAULT00/POOL1/LAB003 /VAULT00/POOL1/T4 s=west`,
    ],
    ['has blanks in runs, so that its length is not known', 'VTSPolicy Erase  - LAB001'],
    [
      'ends in blanks, behind which s=west was cut off',
      `VTSPolicy Erase - LAB001${' '.repeat(90)}s=west`,
    ],
    ['lost its quote', `VTSPolicy Erase "- LAB001 ${'LAB002 '.repeat(12)}"`],
  ])('does not act on a command by FUP that %s', async (_, text) => {
    const bench = await start();
    await bench.backUp(1);
    sendByFup(bench.host, text);
    await bench.world.advance(HEARD_MS);
    expect(await sizeOf(bench, 'LAB001')).toBeGreaterThan(1000);
    expect(await runs(bench)).toMatchObject([{ state: 'refused' }]);
    expect((await bench.east.log('624103'))[0]).toMatch(/cut at 102 characters|named twice/);
  });

  it('acts on a quoted command by FUP, since its quote proves that it is whole', async () => {
    const bench = await start();
    await bench.backUp(1);
    sendByFup(bench.host, 'VTSPolicy Erase "-   LAB001"');
    await bench.world.advance(HEARD_MS);
    expect(await sizeOf(bench, 'LAB001')).toBe(0);
  });

  it('is left to another server that s= names, and is ours by a short or a full name', async () => {
    const bench = await start();
    await bench.backUp(1);
    for (const other of ['west', 'EAST', 'eastern', 'eas'])
      await send(bench, `${ERASE} s=${other}`);
    expect(await sizeOf(bench, 'LAB001')).toBeGreaterThan(1000);
    expect(await runs(bench)).toEqual([]);
    expect(await bench.east.log('624103')).toEqual([]);
    await send(bench, `${ERASE} s=east.lab.example`);
    expect(await sizeOf(bench, 'LAB001')).toBe(0);
  });

  it('does not erase a mounted tape, a locked one, or one that lies elsewhere, and says so', async () => {
    const bench = await start();
    await bench.request('LAB001');
    await bench.write(1);
    await bench.east.call('tape.lock', { name: 'LAB002' });
    await send(bench, 'VTSPolicy Erase - LAB001 LAB002 /VAULT00/OTHER/LAB001 LAB009 Pool');
    expect(await runs(bench)).toMatchObject([{ state: 'failed', outcome: '5 failed' }]);
    expect(await sizeOf(bench, 'LAB002')).toBeGreaterThan(0);
    expect((await bench.east.log('624104')).map((text) => text.split(' failed: ')[1])).toEqual([
      expect.stringMatching(/^The tape LAB001 is in use: /),
      expect.stringMatching(/LAB002 .*locked/),
      'No tape is named /VAULT00/OTHER/LAB001.',
      'No tape is named LAB009.',
      expect.stringMatching(/^The tape name "Pool" is refused/),
    ]);
    await bench.unload();
    expect(await sizeOf(bench, 'LAB001')).toBeGreaterThan(1000);
  });

  it('does not touch tapes of a vault that the host may not mount from', async () => {
    const bench = await start({ host: { vaults: ['VAULT09'] } });
    await send(bench, ERASE);
    await send(bench, TSM);
    expect((await runs(bench)).map((run) => run.state)).toEqual(['failed', 'failed']);
    expect(bench.east.backup.calls).toEqual([]);
  });

  it('acts once on an event that is heard again after a crash', async () => {
    const bench = await start();
    await bench.backUp(1);
    const before = await bench.east.catalog.findEmsPosition(NODE);
    if (before === undefined) throw new Error('the host was heard');
    await send(bench, ERASE);
    await bench.backUp(2);
    const size = await sizeOf(bench, 'LAB001');
    // What the server knows of how far it has heard the host is as it was before.
    await bench.east.catalog.putEmsPosition(before);
    await bench.east.restart();
    await bench.world.advance(20_000);
    const heard = bench.east.events.filter(
      (event) => event.kind === 'ems-line' && event.text === ERASE,
    );
    expect(heard).toHaveLength(2);
    expect(await sizeOf(bench, 'LAB001')).toBe(size);
    expect(await runs(bench)).toHaveLength(1);
  });

  it('says that case counts to who writes VTSPOLICY', async () => {
    const bench = await start();
    await send(bench, 'VTSPOLICY ERASE - LAB001');
    expect(await bench.east.log('624103')).toEqual([
      'VTSPolicy of LAB refused: Case counts: the text begins with VTSPolicy. It was: VTSPOLICY ERASE - LAB001'.replace(
        'LAB',
        NODE,
      ),
    ]);
  });

  it('passes over what another node logged', async () => {
    const policy = new Policy({} as never);
    const event = {
      localTimeMs: 0,
      process: '$TACL',
      subsystem: 'A.B.C',
      eventNumber: 1,
      text: ERASE,
    };
    expect(await policy.hear(NODE, { ...event, node: '\\OTHER' })).toBeUndefined();
    // Of the host itself it would be carried out, were there anything to do that with.
    await expect(policy.hear(NODE, { ...event, node: NODE })).rejects.toThrow(TypeError);
  });
});

describe('VTSPolicy for a backup management application', () => {
  it('migrates what changed, and only that', async () => {
    const bench = await start();
    await bench.backUp(1);
    await send(bench, TSM);
    await bench.world.advance(5_000);
    const paths = (): string[] => bench.east.backup.calls.map((call) => call.path);
    expect(paths()).toEqual(['/VAULT00/POOL1/LAB001', '/VAULT00/POOL1/LAB002']);
    expect(bench.east.backup.calls[0]?.arguments).toEqual([
      'archive',
      '--path',
      '/VAULT00/POOL1/LAB001',
      '--generation',
      '1',
    ]);
    expect(await bench.east.catalog.findTape('LAB001')).toMatchObject({ migratedBy: 'vts' });
    await send(bench, TSM);
    expect(paths()).toHaveLength(2);
    await bench.backUp(2);
    await send(
      bench,
      `VTSPolicy TSM "selective /VAULT00/POOL1/LAB001 o=/opt/dsm.opt copies=2 r=14,d"`,
    );
    await bench.world.advance(5_000);
    expect(bench.east.backup.calls[2]?.arguments).toEqual([
      'selective',
      '--path',
      '/VAULT00/POOL1/LAB001',
      '--generation',
      '2',
      '-optfile=/opt/dsm.opt',
      '2',
    ]);
    expect(await bench.east.catalog.listMigrations()).toMatchObject([
      { tape: 'LAB001', generation: 2, application: 'TSM', keepMs: 14 * 86_400_000 },
      { tape: 'LAB002', generation: 0, keepMs: undefined },
    ]);
    expect((await runs(bench)).map((run) => run.outcome)).toEqual([
      '2 migrated',
      '2 unchanged',
      '1 migrated',
    ]);
  });

  it.each([
    ['fails', 'it ended with 12, and it said "ANS1017E Session rejected"'],
    ['killed', 'it was killed by SIGKILL'],
    ['hangs', 'it was ended after 60 s without an end'],
    ['missing', 'it could not be started: ENOENT'],
  ] as const)('does not mark a tape whose client %s, and notes it', async (behaviour, reason) => {
    const bench = await start();
    bench.east.backup.behaviour = behaviour;
    await send(bench, "VTSPolicy TSM 'archive /VAULT00/POOL1/LAB001'");
    await bench.world.advance(90_000);
    expect(await bench.east.catalog.listMigrations()).toEqual([]);
    expect((await bench.east.catalog.findTape('LAB001'))?.migratedAtMs).toBeUndefined();
    expect(await bench.east.log('624107')).toEqual([
      `Cartridge LAB001 was not migrated by TSM: ${BMA_PROGRAM} failed: ${reason}.`,
    ]);
    expect(await bench.east.catalog.listLocks()).toEqual([]);
  });

  it('keeps a tape that it reads from being erased, and an Erase behind it waits for it', async () => {
    const bench = await start();
    await bench.backUp(1);
    bench.east.backup.durationMs = 30_000;
    sendByMacro(bench.host, "VTSPolicy TSM 'archive /VAULT00/POOL1/LAB001'");
    sendByMacro(bench.host, ERASE);
    await bench.world.advance(10_000);
    await expect(bench.east.call('tape.erase', { name: 'LAB001' })).rejects.toMatchObject({
      code: 'TAPE_LOCKED',
    });
    expect(await sizeOf(bench, 'LAB001')).toBeGreaterThan(1000);
    await bench.world.advance(30_000);
    expect((await runs(bench)).map((run) => run.outcome)).toEqual(['1 migrated', '1 erased']);
    expect(await sizeOf(bench, 'LAB001')).toBe(0);
  });

  it('does not take a mounted tape', async () => {
    const bench = await start();
    await bench.request('LAB001');
    await send(bench, TSM);
    await bench.world.advance(5_000);
    expect((await runs(bench))[0]).toMatchObject({ state: 'failed' });
    expect((await bench.east.catalog.listMigrations()).map((row) => row.tape)).toEqual(['LAB002']);
  });

  it('says what the configuration lacks', async () => {
    const bench = await start();
    const outcomeOf = async (text: string): Promise<string> =>
      ((await bench.east.call('policy.run', { text })) as PolicyReport).outcome;
    expect(await outcomeOf("VTSPolicy NBU '/VAULT00/POOL1'")).toBe(
      'Migration by NBU is refused: hsm.backup.NBU has no command line for NetBackup.',
    );
    expect(await outcomeOf("VTSPolicy TSM 'archive /VAULT00/POOL1 colour=red'")).toBe(
      'Migration by TSM is refused: hsm.backup.TSM knows no keyword colour.',
    );
    const off = await Bench.start();
    expect(await off.east.call('policy.run', { text: TSM })).toMatchObject({
      state: 'failed',
      outcome: 'Migration by TSM is refused: hsm.enable is off in the configuration.',
    });
  });

  it('of 6.04.01 has its own form, and takes the data away', async () => {
    const bench = await start({ settings: { profile: '6.04.01' } });
    await bench.backUp(1);
    await send(bench, TSM);
    expect(await runs(bench)).toMatchObject([{ state: 'refused' }]);
    await send(bench, 'VTSPolicy TSM "/VAULT00/POOL1/LAB001 s=east"');
    await bench.world.advance(5_000);
    expect(await bench.east.catalog.findTape('LAB001')).toMatchObject({
      payloadBytes: 0,
      migratedBy: 'vts',
    });
  });

  it('tells of a command that a crash broke off, gives its lock back, and does not repeat it', async () => {
    const bench = await start();
    await bench.backUp(1);
    bench.east.backup.behaviour = 'hangs';
    await send(bench, TSM);
    expect(await bench.east.catalog.listLocks()).toHaveLength(1);
    await bench.east.restart();
    await bench.world.advance(20_000);
    expect(await bench.east.catalog.listLocks()).toEqual([]);
    expect(await runs(bench)).toMatchObject([{ state: 'interrupted' }]);
    expect(await bench.east.log('424105')).toHaveLength(1);
    expect(bench.east.backup.calls).toHaveLength(1);
  });

  it('is ended with the server, which does not wait for a client that hangs', async () => {
    const bench = await start();
    bench.east.backup.behaviour = 'hangs';
    await send(bench, TSM);
    await bench.east.stop();
    expect(await runs(bench)).toMatchObject([{ state: 'failed', outcome: '2 failed' }]);
    expect(await bench.east.catalog.listMigrations()).toEqual([]);
  });
});

describe('VTSPolicy from the shell', () => {
  it('gives the answers that a host would find in the log', async () => {
    const bench = await start();
    await bench.backUp(1);
    expect(await bench.east.call('policy.run', { text: `${ERASE} LAB009` })).toEqual({
      text: `${ERASE} LAB009`,
      state: 'failed',
      outcome: '1 erased, 1 failed',
      answers: [
        { subject: '/VAULT00/POOL1/LAB001', outcome: 'erased' },
        { subject: 'LAB009', outcome: 'failed', reason: 'No tape is named LAB009.' },
      ],
    });
    expect(await bench.east.call('policy.run', { text: `${ERASE} s=west` })).toMatchObject({
      state: 'ignored',
      outcome: 'The command is for the server west.',
    });
    expect(await bench.east.call('policy.run', { text: 'VTSPolicy Erase LAB001' })).toMatchObject({
      state: 'refused',
      outcome: 'Behind Erase stands a lone hyphen, then the tapes.',
    });
    expect(await bench.east.call('policy.list', { limit: 2 })).toMatchObject([
      { text: `${ERASE} LAB009`, host: '' },
      { state: 'refused' },
    ]);
  });

  it('needs the right of the deed itself', async () => {
    const bench = await start();
    const caller = {
      user: 'operator',
      group: 'Operations',
      rights: new Set(['virtual-tape-operations']),
      vaults: 'all',
      program: 'test',
    } as const;
    for (const text of [
      ERASE,
      'VTSPolicy Delete - LAB001',
      TSM,
      'VTSPolicy IDR "/VAULT00/POOL1"',
    ]) {
      const call = bench.east.server.operations.callAs(caller as never, 'policy.run', { text });
      await expect(bench.finish(call)).rejects.toMatchObject({ code: 'RIGHT_MISSING' });
    }
    expect(await runs(bench)).toEqual([]);
  });
});

describe('VTSPolicy IDR', () => {
  const IDR = 'VTSPolicy IDR "/VAULT00/POOL1"';
  const scheme = { name: 'NIGHTLY', target: TARGET, sources: [{ pool: 'POOL1' }] };

  it('starts the scheme of the pool, and no copy by AutoCopy', async () => {
    const bench = await start({ copies: true });
    await bench.east.call('idr.create', scheme);
    await send(bench, IDR);
    expect((await runs(bench))[0]).toMatchObject({ state: 'done', outcome: '1 dispatched' });
    expect(await bench.east.catalog.listCopyJobs()).toEqual([]);
  });

  it('has AutoCopy copy what is not in step, where no scheme has the pool', async () => {
    const bench = await start({ copies: true });
    await bench.backUp(1);
    await bench.world.advance(10_000);
    expect(await bench.job()).toMatchObject({ state: 'copied', copiedGeneration: 1 });
    await send(bench, IDR);
    expect((await runs(bench))[0]).toMatchObject({
      state: 'done',
      outcome: '1 unchanged, 1 queued',
    });
    await bench.world.advance(10_000);
    expect(await bench.west.catalog.listTapes('DR')).toMatchObject([
      { name: 'LAB001', generation: 1 },
      { name: 'LAB002', generation: 0 },
    ]);
    expect(await bench.east.log('222101')).toHaveLength(2);
    await send(bench, IDR);
    expect((await runs(bench)).at(-1)).toMatchObject({ outcome: '2 unchanged' });
  });

  it('turns to AutoCopy where Instant DR is not licensed, and says where that is not either', async () => {
    const bench = await start({ copies: true });
    await bench.east.call('idr.create', scheme);
    await bench.east.call('licence.remove', { number: 'LABORATORY' });
    await send(bench, IDR);
    expect((await runs(bench))[0]).toMatchObject({
      state: 'failed',
      outcome: expect.stringMatching(/^AutoCopy needs a licence/),
    });
  });

  it('says what is missing where the pool has neither', async () => {
    const bench = await start();
    await send(bench, IDR);
    expect((await runs(bench))[0]).toMatchObject({
      state: 'failed',
      outcome: 'No pool with an Instant DR scheme or an AutoCopy rule is named POOL1.',
    });
  });
});
