import { beforeEach, describe, expect, it } from 'vitest';
import type { CapstanError } from '../../../src/base/errors.ts';
import { generation } from '../../../src/base/units.ts';
import type { EventRow } from '../../../src/ports/catalog.ts';
import type { ServerEvent } from '../../../src/server/context.ts';
import type { Principal } from '../../../src/server/access.ts';
import { OPERATIONS } from '../../../src/server/operations.ts';
import { ALL_RIGHTS } from '../../../src/server/rights.ts';
import { Bench, NODE, TARGET } from './bench.ts';

/** Has every right but the one to all vaults. */
const MARY: Principal = {
  user: 'mary',
  group: 'Operations',
  rights: new Set(ALL_RIGHTS.filter((right) => right !== 'access-to-all-vaults')),
  vaults: new Set(['VAULT00']),
  program: 'API',
};
/** Names that nobody but who has vault SECRET may see. */
const HIDDEN = ['SECRET', 'HIDDENPOOL', 'HID001', 'HID002'];

let bench: Bench;
beforeEach(async () => {
  bench = await Bench.start({ copies: true });
  // The simulated machine has one store: of the second vault there are the rows alone.
  const { catalog } = bench.east;
  await catalog.createVault({ name: 'SECRET', path: '/secret', createdAtMs: 0 });
  await catalog.createPool({ name: 'HIDDENPOOL', vault: 'SECRET', createdAtMs: 0 });
  for (const name of ['HID001', 'HID002']) {
    await catalog.createTape({
      name,
      pool: 'HIDDENPOOL',
      vault: 'SECRET',
      labelType: 'ansi',
      capacityBytes: 1000,
      generation: generation(0),
      payloadBytes: 0,
      createdAtMs: 0,
      writtenAtMs: undefined,
      mountedAtMs: undefined,
      dismountedAtMs: undefined,
      copiedFrom: undefined,
    });
  }
  await bench.east.call('drive.create', { name: 'VTD02', host: NODE, device: '$TAPE1' });
  const mount = { tape: 'HID001', drive: 'VTD02', host: NODE, requestNumber: undefined };
  await catalog.recordMount({ ...mount, ring: true, mountedAtMs: 0 });
  await catalog.putMountRequest({
    host: NODE,
    requestNumber: 77,
    tape: 'HID002',
    device: undefined,
    ring: true,
    receivedAtMs: 0,
    reason: 'waiting for a drive',
  });
  await bench.east.call('autocopy.create', {
    pool: 'HIDDENPOOL',
    target: { ...TARGET, server: 'north' },
    targetPool: 'DR',
  });
});

const asMary = (name: string, parameters: object = {}): Promise<unknown> =>
  bench.finish(bench.east.server.operations.callAs(MARY, name, parameters));
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (error: CapstanError) => error.code,
  );
const lookingOperations = Object.entries(OPERATIONS)
  .filter(([, { changes }]) => !changes)
  .map(([name]) => name);

describe('a user with one vault', () => {
  it('is given the counts and the metrics of that vault alone', async () => {
    expect(await asMary('server.status', {})).toMatchObject({
      vaultCount: 1,
      tapeCount: 2,
      openMountCount: 0,
      waitingRequestCount: 0,
    });
    expect(await asMary('host.list', {})).toMatchObject([{ waitingRequestCount: 0 }]);
    expect(await bench.east.call('server.status', {})).toMatchObject({
      vaultCount: 2,
      tapeCount: 4,
      openMountCount: 1,
      waitingRequestCount: 1,
    });
    const mine = String(await asMary('server.metrics', {})).split('\n');
    const all = String(await bench.east.call('server.metrics')).split('\n');
    const names = (lines: readonly string[]): readonly string[] =>
      lines.flatMap((line) => /^(\w+)/.exec(line)?.[1] ?? []);
    expect(all).toEqual(expect.arrayContaining(mine));
    expect(mine).toContain('capstan_tapes{vault="VAULT00",pool="POOL1"} 2');
    expect(names(mine)).toContain('capstan_ems_session');
    expect(names(mine)).not.toContain('capstan_mounts_open');
    expect(names(mine)).not.toContain('capstan_events_total');
    expect(names(all)).toContain('capstan_mounts_open');
    expect(all.join('\n')).toContain('vault="SECRET"');
  });

  it.each(lookingOperations)('is told nothing of other vaults by %s', async (operation) => {
    const answers: unknown[] = [];
    const parameters = [
      {},
      ...HIDDEN.flatMap((name) => [{ name }, { tape: name }, { pool: name }]),
      ...[1, 2].map((id) => ({ id })),
    ];
    for (const each of parameters) {
      answers.push(await asMary(operation, each).catch(() => 'refused'));
    }
    const text = JSON.stringify(answers);
    for (const name of HIDDEN) expect(text).not.toContain(name);
  });

  it('sees and uses its own', async () => {
    expect(await asMary('vault.list')).toMatchObject([{ name: 'VAULT00' }]);
    expect(await asMary('pool.list')).toMatchObject([{ name: 'POOL1' }]);
    expect(await asMary('tape.list')).toMatchObject([{ name: 'LAB001' }, { name: 'LAB002' }]);
    expect(await asMary('autocopy.list')).toMatchObject([{ pool: 'POOL1' }]);
    expect(await asMary('tape.show', { name: 'LAB001' })).toMatchObject({ name: 'LAB001' });
    await asMary('tape.create', { name: 'LAB003', pool: 'POOL1' });
    await asMary('tape.move', { name: 'LAB003', pool: 'POOL1' }).catch(() => undefined);
    expect(await asMary('tape.delete', { name: 'LAB003' })).toMatchObject({ name: 'LAB003' });
  });

  it.each([
    ['tape.create', { name: 'LAB003', pool: 'HIDDENPOOL' }],
    ['tape.move', { name: 'LAB001', pool: 'HIDDENPOOL' }],
    ['tape.delete', { name: 'HID002' }],
    ['tape.erase', { name: 'HID002' }],
    ['tape.rename', { name: 'HID002', newName: 'LAB009' }],
    ['tape.verify', {}],
    ['tape.repair', { name: 'LAB001', fromVault: 'SECRET' }],
    ['pool.create', { name: 'MINE', vault: 'SECRET' }],
    ['pool.move', { name: 'POOL1', vault: 'SECRET' }],
    ['pool.lock', { name: 'HIDDENPOOL' }],
    ['vault.collect', { name: 'SECRET' }],
    ['vault.create', { name: 'MINE', path: '/mine' }],
    ['mount.end', { tape: 'HID001' }],
    ['autocopy.repeat', { name: 'HID001' }],
    ['autocopy.delete', { id: 2 }],
    ['autocopy.create', { pool: 'HIDDENPOOL', target: TARGET, targetPool: 'DR' }],
    ['autocopy.cancel', { name: 'HID001' }],
    ['autocopy.cancel', {}],
    ['cleanup.forbid', { tapes: ['LAB001', 'HID001'] }],
    ['cleanup.scan', {}],
    ['drive.delete', { name: 'VTD01' }],
  ])('is refused %s %j', async (operation, parameters) => {
    const before = JSON.stringify(await bench.east.catalog.listTapes());
    expect(await codeOf(asMary(operation, parameters))).toBe('RIGHT_MISSING');
    expect(JSON.stringify(await bench.east.catalog.listTapes())).toBe(before);
  });

  it('uses what is no tape but belongs to its pools', async () => {
    await asMary('autocopy.change', { id: 1, bytesPerSecond: 1_000_000 });
    await asMary('autocopy.delete', { id: 1 });
    expect(await asMary('autocopy.list')).toEqual([]);
    await asMary('autocopy.create', { pool: 'POOL1', target: TARGET, targetPool: 'DR' });
    expect(await asMary('autocopy.list')).toMatchObject([{ pool: 'POOL1' }]);
  });

  it('may call a tape like a pool of another vault', async () => {
    await bench.east.catalog.createPool({ name: 'SHARED', vault: 'SECRET', createdAtMs: 0 });
    expect(await asMary('tape.create', { name: 'SHARED', pool: 'POOL1' })).toMatchObject({
      name: 'SHARED',
    });
    expect(await asMary('tape.show', { name: 'SHARED' })).toMatchObject({ name: 'SHARED' });
    expect(await codeOf(asMary('pool.show', { name: 'SHARED' }))).toBe('RIGHT_MISSING');
  });

  it('is not told where the tape lies that is in the way of a range', async () => {
    const range = { first: 'HID000', last: 'HID009', pool: 'POOL1' };
    const refusal = await asMary('tape.create-range', range).catch((error: Error) => error.message);
    expect(refusal).toMatch(/HID001 exists already\.$/);
  });

  it('does not have all tapes read for what names one', async () => {
    const calls: string[] = [];
    bench.east.before = (call) => void calls.push(call);
    await asMary('tape.show', { name: 'LAB001' });
    await asMary('tape.metadata', { name: 'LAB001' });
    expect(calls).not.toContain('catalog.listTapes');
    expect(calls).toContain('catalog.findTape');
  });

  it('is not hindered in what is about no vault', async () => {
    expect(await asMary('server.status')).toMatchObject({ name: 'east' });
    expect(await asMary('account.show')).toMatchObject({ user: 'mary', vaults: ['VAULT00'] });
    expect(await codeOf(asMary('licence.list'))).toBe('done');
  });
});

describe('the event log of a user with one vault', () => {
  const texts = async (): Promise<readonly string[]> =>
    ((await asMary('events.list', { limit: 1000 })) as readonly EventRow[]).map(({ text }) => text);

  it('leaves out what is about a tape, pool or vault of another one', async () => {
    const { eventLog } = bench.east.server;
    await eventLog.log('CARTRIDGE_ERASED', { tape: 'HID001', pool: 'HIDDENPOOL' });
    await eventLog.log('COPY_STALE', { tape: 'HID002', target: 'north', generation: 1 });
    await eventLog.log('POOL_CHANGED', { pool: 'HIDDENPOOL', what: 'retention' });
    await eventLog.log('VAULT_OPENED', { vault: 'SECRET' });
    const moved = { tape: 'LAB002', pool: 'POOL1', vault: 'VAULT00' };
    await eventLog.log('CARTRIDGE_MOVED', { ...moved, from: 'HIDDENPOOL' });
    await eventLog.log('POOL_MOVED', { pool: 'POOL1', from: 'SECRET', vault: 'VAULT00' });
    const seen = (await texts()).join('\n');
    for (const name of HIDDEN) expect(seen).not.toContain(name);
  });

  it('has what is about its own, also once that is deleted', async () => {
    await asMary('tape.create', { name: 'LAB003', pool: 'POOL1' });
    await asMary('tape.delete', { name: 'LAB003' });
    expect(await texts()).toEqual(
      expect.arrayContaining([
        'Cartridge LAB003 created in Pool POOL1',
        'Cartridge LAB003 deleted from Pool POOL1',
      ]),
    );
  });

  it('has what is about the server, and not what may be about anything', async () => {
    await bench.east
      .call('policy.run', { text: 'VTSPolicy Erase - LAB002' })
      .catch(() => 'refused');
    const { eventLog } = bench.east.server;
    await eventLog.log('LICENCE_REMOVED', { number: 'L-1' });
    await eventLog.log('COPY_STALE', { tape: 'GONE01', target: 'north', generation: 1 });
    const seen = await texts();
    expect(seen).toEqual(
      expect.arrayContaining(['TapeServer east started', 'Licence L-1 removed']),
    );
    expect(seen.join('\n')).not.toMatch(/VTSPolicy|GONE01/);
  });

  it('does not change when a tape comes into another vault afterwards', async () => {
    await bench.east.server.eventLog.log('MANUALLY_UNMOUNTED', { tape: 'LAB001' });
    await bench.east.server.eventLog.log('MANUALLY_UNMOUNTED', { tape: 'HID001' });
    const { catalog } = bench.east;
    await catalog.deleteTape('LAB001');
    expect((await texts()).filter((text) => text.includes('unmounted'))).toEqual([
      'Cartridge LAB001 has been manually unmounted',
    ]);
  });
});

describe('the events of a user with one vault, as they happen,', () => {
  it('are those of its tapes and of the server, in order', async () => {
    const heard: ServerEvent[] = [];
    const { server } = bench.east;
    const cancel = server.onEventFor(
      () => MARY,
      (event) => heard.push(event),
    );
    await server.eventLog.log('MANUALLY_UNMOUNTED', { tape: 'HID001' });
    await server.eventLog.log('LICENCE_REMOVED', { number: 'L-1' });
    await bench.request('LAB001');
    await bench.unload();
    await bench.finish(Promise.resolve());
    const text = JSON.stringify(heard);
    for (const name of HIDDEN) expect(text).not.toContain(name);
    expect(heard.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(['event-logged', 'mounted', 'dismounted', 'copy-started']),
    );
    expect(heard.some(({ kind }) => kind === 'ems-line')).toBe(false);
    const ids = heard.flatMap((event) => (event.kind === 'event-logged' ? [event.row.id] : []));
    expect(ids).toEqual(ids.toSorted((left, right) => left - right));
    cancel();
    const count = heard.length;
    await server.eventLog.log('LICENCE_REMOVED', { number: 'L-2' });
    await bench.world.advance(10);
    expect(heard).toHaveLength(count);
  });

  it('follow a change of its rights', async () => {
    const heard: string[] = [];
    const { server } = bench.east;
    let caller: Principal = { ...MARY, vaults: 'all' };
    server.onEventFor(
      () => caller,
      (event) => event.kind === 'event-logged' && heard.push(event.row.text),
    );
    await server.eventLog.log('MANUALLY_UNMOUNTED', { tape: 'HID001' });
    caller = MARY;
    await server.eventLog.log('MANUALLY_UNMOUNTED', { tape: 'HID002' });
    await bench.world.advance(10);
    expect(heard).toEqual(['Cartridge HID001 has been manually unmounted']);
  });
});
