import { beforeEach, describe, expect, it } from 'vitest';
import type { VerifyReport } from '../../../src/ports/engine.ts';
import { parseLabel } from '../../../src/tape/labels.ts';
import { Yard } from '../../../harness/world/yard.ts';

let yard: Yard;

beforeEach(async () => {
  yard = await Yard.start({ second: { labelType: 'unlabelled' } });
});

describe('a range of tapes', () => {
  it('is made from LAB100 to LAB199 with a label each, with one event', async () => {
    const range = { first: 'LAB100', last: 'LAB199', pool: 'POOL2', labelType: 'ibm' };
    expect(await yard.call('tape.create-range', { ...range, owner: 'NIGHT' })).toEqual({
      first: 'LAB100',
      last: 'LAB199',
      pool: 'POOL2',
      createdCount: 100,
      skippedCount: 0,
    });
    expect((await yard.catalog.listTapes('POOL2')).map((tape) => tape.name)).toEqual(
      Array.from({ length: 100 }, (_, index) => `LAB1${String(index).padStart(2, '0')}`),
    );
    expect(parseLabel(await yard.firstBlock('VAULT00', 'LAB173'))).toEqual({
      kind: 'VOL1',
      type: 'IBM',
      volume: 'LAB173',
      owner: 'NIGHT',
    });
    expect(await yard.events()).toContain('100 cartridges LAB100 to LAB199 created in Pool POOL2');
  });

  it('is refused whole where a name is taken, unless it is to pass over what is there', async () => {
    const range = { first: 'LAB000', last: 'LAB009', pool: 'POOL1' };
    const { message } = await yard.refusal('tape.create-range', range);
    expect(message).toBe('A tape named LAB001 exists already in pool POOL1.');
    expect(await yard.catalog.listTapes()).toHaveLength(2);
    expect(await yard.call('tape.create-range', { ...range, skipExisting: true })).toMatchObject({
      createdCount: 8,
      skippedCount: 2,
    });
    // What lies in another pool is no part of the range.
    const other = { ...range, pool: 'POOL2', skipExisting: true };
    expect((await yard.refusal('tape.create-range', other)).code).toBe('ALREADY_EXISTS');
  });

  it('that breaks off is ended by the next call', async () => {
    const range = { first: 'N00000', last: 'N00119', pool: 'POOL1', skipExisting: true };
    yard.callsLeft = 400;
    await expect(yard.call('tape.create-range', range)).rejects.toThrow('killed');
    await yard.powerCut();
    const made = (await yard.catalog.listTapes('POOL1')).length - 2;
    expect(made).toBeGreaterThan(0);
    expect(await yard.call('tape.create-range', range)).toMatchObject({
      createdCount: 120 - made,
      skippedCount: made,
    });
    expect(await yard.call('tape.verify')).toMatchObject({ imageCount: 122, damages: [] });
  });

  it.each([
    ['LAB000', 'LAC009', 'INVALID_ARGUMENT'],
    ['LAB000', 'LAB99', 'INVALID_ARGUMENT'],
    ['LAB009', 'LAB000', 'INVALID_ARGUMENT'],
    ['LABELS', 'LABELS', 'INVALID_ARGUMENT'],
    ['LAB000', 'LAB0A9', 'INVALID_ARGUMENT'],
    ['000000', '099999', 'LIMIT_EXCEEDED'],
    ['lab000', 'lab009', 'NAME_INVALID'],
  ])('from %s to %s is refused: %s', async (first, last, code) => {
    const refusal = await yard.refusal('tape.create-range', { first, last, pool: 'POOL1' });
    expect(refusal.code).toBe(code);
  });
});

describe('an erased tape', () => {
  it('has size 0 and the next generation, keeps its metadata, and its event is 421013', async () => {
    await yard.write('LAB001', 1);
    const before = await yard.catalog.findTape('LAB001');
    const row = await yard.call('tape.erase', { name: 'LAB001' });
    expect(row).toEqual({
      ...before,
      generation: 2,
      payloadBytes: 0,
      erasedAtMs: yard.nowMs,
      updatedAtMs: yard.nowMs,
    });
    expect((await yard.images()).get('VAULT00/LAB001')).toMatchObject({
      generation: 2,
      partitions: [{ objectCount: 0 }],
    });
    expect(await yard.events()).toContain('Cartridge LAB001 erased in Pool POOL1');
    expect(await yard.call('tape.show', { name: 'LAB001' })).toMatchObject({ state: 'erased' });
    expect(await yard.call('tape.erase', { name: 'LAB001' })).toEqual(row);
    expect(await yard.catalog.listLocks()).toEqual([]);
  });

  it('is never half: after a power cut in any call it is whole or erased, row and image', async () => {
    const outcomes = new Set<string>();
    for (const [calls, run] of await everyCall('tape.erase', { name: 'LAB001' })) {
      await run();
      const row = await yard.catalog.findTape('LAB001');
      const image = (await yard.images()).get('VAULT00/LAB001');
      expect({ calls, generation: image?.generation }).toEqual({
        calls,
        generation: row?.generation,
      });
      expect(row?.payloadBytes).toBe(image?.partitions[0]?.payloadBytes);
      expect(row?.erasedAtMs === undefined).toBe(row?.generation === 1);
      outcomes.add(row?.generation === 1 ? 'whole' : 'erased');
      await expectNothingLeft();
    }
    expect(outcomes).toEqual(new Set(['whole', 'erased']));
  });
});

describe('a renamed tape', () => {
  it('takes its history along, and a label with the new name where no host has written it', async () => {
    await yard.call('tape.lock', { name: 'LAB001' });
    expect(await yard.call('tape.rename', { name: 'LAB001', newName: 'ARC001' })).toMatchObject({
      name: 'ARC001',
      userLocked: true,
    });
    expect(parseLabel(await yard.firstBlock('VAULT00', 'ARC001'))).toMatchObject({
      volume: 'ARC001',
    });
    expect((await yard.images()).has('VAULT00/LAB001')).toBe(false);
    expect(await yard.events()).toContain('Cartridge LAB001 of Pool POOL1 renamed to ARC001');
  });

  it("that a host has written is refused, since its label is the host's, unless that is meant", async () => {
    await yard.write('LAB001', 1);
    const before = await yard.digest('VAULT00', 'LAB001');
    const rename = { name: 'LAB001', newName: 'ARC001' };
    expect((await yard.refusal('tape.rename', rename)).message).toContain('--keep-label');
    await yard.call('tape.rename', { ...rename, keepLabel: true });
    expect(await yard.digest('VAULT00', 'ARC001')).toBe(before);
    expect(await yard.catalog.listGenerations('ARC001')).toHaveLength(1);
    // Without a label there is nothing that could say another name.
    await yard.write('LAB002', 2);
    await yard.call('tape.rename', { name: 'LAB002', newName: 'ARC002' });
  });

  it('is refused under a name that another pool has', async () => {
    await yard.call('tape.create', { name: 'FAR001', pool: 'FAR' });
    const rename = { name: 'LAB001', newName: 'FAR001' };
    expect((await yard.refusal('tape.rename', rename)).message).toContain('in pool FAR');
  });

  it('has one name or the other after a power cut in any call, with all of its content', async () => {
    const outcomes = new Set<string>();
    const rename = { name: 'LAB001', newName: 'ARC001', keepLabel: true };
    for (const [, run] of await everyCall('tape.rename', rename)) {
      const before = await run();
      const names = (await yard.catalog.listTapes('POOL1')).map((tape) => tape.name);
      const [name = ''] = names.filter((each) => each !== 'LAB002');
      expect(names).toHaveLength(2);
      expect(await yard.digest('VAULT00', name)).toBe(before);
      outcomes.add(name);
      await expectNothingLeft();
    }
    expect(outcomes).toEqual(new Set(['LAB001', 'ARC001']));
  });
});

describe('a moved tape', () => {
  it('lies in the other pool, and owes the old one nothing', async () => {
    expect(await yard.call('tape.move', { name: 'LAB001', pool: 'POOL2' })).toMatchObject({
      pool: 'POOL2',
      vault: 'VAULT00',
    });
    const again = { name: 'LAB001', pool: 'POOL2' };
    expect((await yard.refusal('tape.move', again)).message).toContain('it lies there already');
    expect((await yard.refusal('tape.move', { ...again, pool: 'NONE' })).code).toBe('NOT_FOUND');
  });

  it('goes to another vault with its content, and leaves nothing behind', async () => {
    await yard.write('LAB001', 1);
    const before = await yard.digest('VAULT00', 'LAB001');
    await yard.call('tape.move', { name: 'LAB001', pool: 'FAR' });
    expect(await yard.catalog.findTape('LAB001')).toMatchObject({ pool: 'FAR', vault: 'VAULT01' });
    expect(await yard.digest('VAULT01', 'LAB001')).toBe(before);
    expect((await yard.images()).has('VAULT00/LAB001')).toBe(false);
    expect(await yard.call('tape.verify')).toMatchObject({ damages: [] });
  });

  it('is in one vault or the other after a power cut in any call, whole', async () => {
    const outcomes = new Set<string>();
    for (const [, run] of await everyCall('tape.move', { name: 'LAB001', pool: 'FAR' })) {
      const before = await run();
      const vault = (await yard.catalog.findTape('LAB001'))?.vault ?? '';
      expect(await yard.digest(vault, 'LAB001')).toBe(before);
      outcomes.add(vault);
      await expectNothingLeft();
    }
    expect(outcomes).toEqual(new Set(['VAULT00', 'VAULT01']));
  });
});

describe('a moved pool', () => {
  it('takes all of its tapes along, whole or not at all, whenever the power fails', async () => {
    const outcomes = new Set<string>();
    for (const [, run] of await everyCall('pool.move', { name: 'POOL1', vault: 'VAULT01' })) {
      const before = await run();
      const tapes = await yard.catalog.listTapes('POOL1');
      const vault = tapes[0]?.vault ?? '';
      expect(tapes.map((tape) => tape.vault)).toEqual([vault, vault]);
      expect(await yard.digest(vault, 'LAB001')).toBe(before);
      outcomes.add(vault);
      await expectNothingLeft();
    }
    expect(outcomes).toEqual(new Set(['VAULT00', 'VAULT01']));
  });

  it('is refused where it lies there already, and where the vault is none', async () => {
    const move = { name: 'POOL1', vault: 'VAULT00' };
    expect((await yard.refusal('pool.move', move)).message).toContain('it lies there already');
    const { code } = await yard.refusal('pool.move', { ...move, vault: 'VAULT09' });
    expect(code).toBe('NOT_FOUND');
  });
});

describe('a locked tape', () => {
  it.each([
    ['user', 'tape.lock', {}, 'locked by a user', '`capstan tape unlock LAB001`'],
    [
      'autoload',
      'tape.lock',
      { kind: 'autoload' },
      'locked by autoloading',
      '`capstan tape unlock LAB001 --autoload`',
    ],
  ])('cannot be erased or deleted: %s', async (kind, operation, more, how, remedy) => {
    await yard.call(operation, { name: 'LAB001', ...more });
    for (const deed of ['erase', 'delete']) {
      const { code, message } = await yard.refusal(`tape.${deed}`, { name: 'LAB001' });
      expect(code).toBe('TAPE_LOCKED');
      expect(message).toContain(`Tape LAB001 is ${how} and cannot be ${deed}d: ${remedy}`);
    }
    const other = kind === 'user' ? 'autoload' : 'user';
    await yard.call('tape.unlock', { name: 'LAB001', kind: other });
    await yard.refusal('tape.erase', { name: 'LAB001' });
    await yard.call('tape.unlock', { name: 'LAB001', kind });
    await yard.call('tape.erase', { name: 'LAB001' });
    expect(await yard.events()).toEqual(
      expect.arrayContaining([
        `Cartridge LAB001 locked (${kind})`,
        `Cartridge LAB001 unlocked (${kind})`,
      ]),
    );
  });

  it('with its pool is unlocked with its pool only', async () => {
    await yard.call('pool.lock', { name: 'POOL1' });
    const { message } = await yard.refusal('tape.delete', { name: 'LAB001' });
    expect(message).toBe(
      'Tape LAB001 is locked with its pool POOL1 and cannot be deleted: `capstan pool unlock POOL1` lifts the lock.',
    );
    await yard.call('tape.unlock', { name: 'LAB001' });
    await yard.refusal('tape.delete', { name: 'LAB001' });
    await yard.call('pool.unlock', { name: 'POOL1' });
    await yard.call('tape.delete', { name: 'LAB001' });
  });

  it('by a process cannot be changed at all until that ends, or its lock is removed', async () => {
    await yard.catalog.takeLock({
      tape: undefined,
      pool: 'POOL1',
      process: 'import 4',
      sinceMs: 5,
      reason: 'tapes come in',
    });
    const calls = [
      ['tape.erase', { name: 'LAB001' }],
      ['tape.delete', { name: 'LAB001' }],
      ['tape.rename', { name: 'LAB001', newName: 'ARC001' }],
      ['tape.move', { name: 'LAB001', pool: 'POOL2' }],
    ] as const;
    for (const [operation, parameters] of calls) {
      const { message } = await yard.refusal(operation, parameters);
      expect(message).toContain('locked by import 4 (tapes come in)');
      expect(message).toContain('`capstan lock remove --pool POOL1`');
    }
    expect((await yard.refusal('pool.move', { name: 'POOL1', vault: 'VAULT01' })).code).toBe(
      'IN_USE',
    );
    expect(await yard.call('lock.list')).toMatchObject([{ pool: 'POOL1', process: 'import 4' }]);
    expect((await yard.refusal('lock.remove', { tape: 'LAB001' })).code).toBe('NOT_FOUND');
    expect((await yard.refusal('lock.remove', {})).code).toBe('INVALID_ARGUMENT');
    await yard.call('lock.remove', { pool: 'POOL1' });
    await yard.call('tape.erase', { name: 'LAB001' });
    expect(await yard.events()).toContain('Process lock of import 4 on pool POOL1 removed by hand');
  });
});

describe('pools', () => {
  it('are made and changed with what they are designated for, and show it in words', async () => {
    await yard.call('pool.create', { name: 'NEW', vault: 'VAULT00', retentionMs: 1_209_600_000 });
    expect(await yard.call('pool.show', { name: 'NEW' })).toMatchObject({
      path: '/VAULT00/NEW',
      retention: '2 weeks',
      encrypted: false,
      tapeCount: 0,
      autoCopy: [],
      instantDr: [],
    });
    await yard.call('pool.modify', { name: 'NEW', retentionMs: null, encrypted: true });
    expect(await yard.call('pool.show', { name: 'NEW' })).toMatchObject({
      retention: 'for ever',
      encrypted: true,
    });
    expect(await yard.events()).toContain('Pool NEW changed: retention for ever, encrypted yes');
    expect((await yard.refusal('pool.modify', { name: 'NEW' })).message).toContain('nothing');
  });

  it('are renamed with their tapes, and deleted only when they are empty', async () => {
    await yard.call('pool.rename', { name: 'POOL1', newName: 'DAYS' });
    expect(await yard.call('tape.show', { name: 'LAB001' })).toMatchObject({
      path: '/VAULT00/DAYS/LAB001',
    });
    expect((await yard.refusal('pool.delete', { name: 'DAYS' })).message).toContain('LAB001');
    await yard.call('pool.delete', { name: 'POOL2' });
    expect((await yard.refusal('pool.rename', { name: 'DAYS', newName: 'FAR' })).code).toBe(
      'ALREADY_EXISTS',
    );
  });

  it('that a scheme of Instant DR names are neither renamed nor deleted', async () => {
    await yard.catalog.createIdrScheme({
      name: 'NIGHTLY',
      role: 'source',
      target: {
        server: 'west',
        address: '10.0.0.2',
        port: 22,
        user: 'capstan',
        hostKey: 'SHA256:x',
        transport: 'ssh2',
      },
      sources: [{ pool: 'POOL2', targetPool: 'DR' }],
      schedules: [],
      timeZone: 'UTC',
      bytesPerSecond: undefined,
      deletions: 'keep',
      deletionGraceDays: 0,
      enabled: true,
      createdAtMs: 1,
      answeredAtMs: 1,
    });
    expect(await yard.call('pool.show', { name: 'POOL2' })).toMatchObject({
      instantDr: ['by scheme NIGHTLY to west'],
    });
    for (const [operation, more] of [
      ['pool.rename', { newName: 'OTHER' }],
      ['pool.delete', {}],
    ] as const) {
      const { message } = await yard.refusal(operation, { name: 'POOL2', ...more });
      expect(message).toContain('the Instant DR scheme NIGHTLY names it');
    }
  });
});

describe('vaults', () => {
  it('show what is in them and what is left on their file systems', async () => {
    await yard.write('LAB001', 1, 70_000);
    expect(await yard.call('vault.list')).toMatchObject([
      { name: 'VAULT00', poolCount: 2, tapeCount: 2, payloadBytes: 70_400, freeBytes: 250_000 },
      { name: 'VAULT01', poolCount: 1, tapeCount: 0, payloadBytes: 0, totalBytes: 1_000_000 },
    ]);
    expect(await yard.call('vault.show', { name: 'VAULT00' })).toMatchObject({
      tapeCount: 2,
      imageCount: 2,
    });
  });

  it('are deleted only when they have no pool, and can be made again', async () => {
    const { message } = await yard.refusal('vault.delete', { name: 'VAULT01' });
    expect(message).toBe('The vault VAULT01 is in use: it has pool FAR.');
    await yard.call('pool.delete', { name: 'FAR' });
    await yard.call('vault.delete', { name: 'VAULT01' });
    expect(await yard.call('vault.list')).toHaveLength(1);
    await yard.call('vault.create', { name: 'VAULT01', path: '/VAULT01' });
    await yard.powerCut();
    expect(await yard.call('vault.list')).toHaveLength(2);
  });

  it('lie beside one another: a folder within a vault is refused, and one around it', async () => {
    for (const path of ['/VAULT00/inner', '/']) {
      const { message } = await yard.refusal('vault.create', { name: 'OTHER', path });
      expect(message).toMatch(/lies within vault|or that within it/);
    }
  });
});

/**
 * Runs of an operation on LAB001, which is written, each killed in a later call of a port and followed by
 * a power cut; the last one is not killed. `run` gives the digest of the content before.
 */
async function everyCall(
  operation: string,
  parameters: object,
): Promise<readonly (readonly [number, () => Promise<string>])[]> {
  const prepare = async (): Promise<string> => {
    yard = await Yard.start({ second: { labelType: 'unlabelled' } });
    await yard.write('LAB001', 1);
    yard.callCount = 0;
    return yard.digest('VAULT00', 'LAB001');
  };
  await prepare();
  await yard.call(operation, parameters);
  const total = yard.callCount;
  expect(total).toBeGreaterThan(8);
  return Array.from({ length: total + 1 }, (_, calls) => [
    calls,
    async () => {
      const before = await prepare();
      yard.callsLeft = calls;
      const done = yard.call(operation, parameters);
      await (calls === total ? done : done.catch(() => undefined));
      await yard.powerCut();
      return before;
    },
  ]);
}

/** No lock, nothing staged, no image without a tape, no damage. */
async function expectNothingLeft(): Promise<void> {
  expect(await yard.catalog.listLocks()).toEqual([]);
  const tapes = (await yard.catalog.listTapes()).map(({ vault, name }) => `${vault}/${name}`);
  expect([...(await yard.images()).keys()].toSorted()).toEqual(tapes.toSorted());
  const report = (await yard.call('tape.verify')) as VerifyReport;
  expect(report.damages).toEqual([]);
}
