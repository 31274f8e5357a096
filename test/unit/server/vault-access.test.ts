import { beforeEach, describe, expect, it } from 'vitest';
import type { CapstanError } from '../../../src/base/errors.ts';
import { generation } from '../../../src/base/units.ts';
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
/** Operations that tell of the whole server, and say so. */
const OF_THE_SERVER = new Set(['events.list', 'server.metrics']);

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
  .filter(([name, { changes }]) => !changes && !OF_THE_SERVER.has(name))
  .map(([name]) => name);

describe('a user with one vault', () => {
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
  ])('is refused %s %j', async (operation, parameters) => {
    const before = JSON.stringify(await bench.east.catalog.listTapes());
    expect(await codeOf(asMary(operation, parameters))).toBe('RIGHT_MISSING');
    expect(JSON.stringify(await bench.east.catalog.listTapes())).toBe(before);
  });

  it('is not hindered in what is about no vault', async () => {
    expect(await asMary('server.status')).toMatchObject({ name: 'east' });
    expect(await asMary('account.show')).toMatchObject({ user: 'mary', vaults: ['VAULT00'] });
    expect(await codeOf(asMary('licence.list'))).toBe('done');
  });
});
