import { beforeEach, describe, expect, it } from 'vitest';
import { decorate } from '../../../src/base/decorate.ts';
import { logicalObjectNumber } from '../../../src/base/units.ts';
import type { Generation } from '../../../src/base/units.ts';
import type { Catalog, GenerationRow } from '../../../src/ports/catalog.ts';
import {
  METADATA_BYTES_MAX,
  METADATA_ITEM_NAMES,
  metadataBytes,
} from '../../../src/server/metadata.ts';
import { initialLabel } from '../../../src/tape/labels.ts';
import type { LabelType } from '../../../src/tape/labels.ts';
import { packObjects } from '../../../src/tape/tape-object.ts';
import type { TapeObject } from '../../../src/tape/tape-object.ts';
import { Yard } from '../../../harness/world/yard.ts';

let yard: Yard;

beforeEach(async () => {
  yard = await Yard.start({ second: { labelType: 'unlabelled' } });
});

const set = (item: string, value: string, name = 'LAB001'): Promise<unknown> =>
  yard.call('tape.set-metadata', { name, item, value });

/** As a host that labels a tape itself: everything from its beginning on is new. */
async function overwrite(name: string, objects: readonly TapeObject[]): Promise<void> {
  const image = await yard.engine('VAULT00').openImage(name, 'write');
  await image.append({ partition: 0, at: logicalObjectNumber(0), ...packObjects(objects) });
  await image.sync({ generation: 1 as Generation });
  await image.close();
}

describe('the label type of a tape', () => {
  const shown = async (): Promise<unknown> => {
    const { labelType } = (await yard.call('tape.show', { name: 'LAB001' })) as {
      readonly labelType: string;
    };
    const [item] = (await yard.call('tape.metadata', {
      name: 'LAB001',
      item: 'label-type',
    })) as readonly { readonly value: string }[];
    expect(item?.value).toBe(labelType);
    return labelType;
  };
  const labelled = (type: LabelType): readonly TapeObject[] =>
    initialLabel({ volume: 'LAB001', owner: '', type });

  it('is what its first block says, whoever wrote that', async () => {
    expect(await shown()).toBe('ansi');
    await overwrite('LAB001', labelled('BACKUP'));
    expect(await shown()).toBe('backup');
    await overwrite('LAB001', labelled('IBM'));
    expect(await shown()).toBe('ibm');
    await overwrite('LAB001', [{ kind: 'block', data: new Uint8Array(200_000) }]);
    expect(await shown()).toBe('unlabelled');
  });

  it('is what it was made with where it is empty', async () => {
    await overwrite('LAB001', labelled('BACKUP'));
    await yard.call('tape.erase', { name: 'LAB001' });
    expect(await shown()).toBe('ansi');
  });
});

describe('the metadata of a tape', () => {
  it('have every item that the manual names, and times as DDMonYY HH:MM', async () => {
    const items = (await yard.call('tape.metadata', { name: 'LAB001' })) as readonly {
      readonly item: string;
      readonly value: string;
    }[];
    expect(items.map(({ item }) => item)).toEqual(METADATA_ITEM_NAMES);
    const values = Object.fromEntries(items.map(({ item, value }) => [item, value]));
    expect(values).toMatchObject({
      volume: 'LAB001',
      'label-type': 'ansi',
      owner: 'none',
      created: '01Jan26 00:00',
      written: 'none',
      erased: 'none',
      retention: 'for ever',
      'key-id': 'none',
    });
    expect(Number(values['bytes'])).toBeGreaterThan(100);
    await yard.call('pool.modify', { name: 'POOL1', retentionMs: 1_209_600_000 });
    expect(await yard.call('tape.metadata', { name: 'LAB001', item: 'retention' })).toEqual([
      { item: 'retention', value: '2 weeks', writable: false },
    ]);
  });

  it.each([
    ['written', '02Mar05 14:41', 'writtenAtMs'],
    ['mounted', '29Feb04 00:00', 'mountedAtMs'],
    ['unmounted', '31Dec99 23:59', 'dismountedAtMs'],
    ['exported', '01jan70 00:00', 'exportedAtMs'],
    ['imported', '31Dec69 23:59', 'importedAtMs'],
    ['migrated', '12Mar06', 'migratedAtMs'],
    ['restored', '12Mar06 01:02', 'restoredAtMs'],
    ['erased', '12Mar06 01:02', 'erasedAtMs'],
    ['updated', '12Mar06 01:02', 'updatedAtMs'],
    ['created', '12Mar06 01:02', 'createdAtMs'],
  ])('are written item by item: %s as %s', async (item, value, field) => {
    const before = await yard.catalog.findTape('LAB001');
    const [day, time = '00:00'] = value.split(' ');
    const shown = `${day?.slice(0, 2)}${day?.charAt(2).toUpperCase()}${day?.slice(3)} ${time}`;
    expect(await set(item, value)).toEqual([{ item, value: shown, writable: true }]);
    const after = await yard.catalog.findTape('LAB001');
    expect(after).toEqual({
      ...before,
      updatedAtMs: yard.nowMs,
      [field]: after?.[field as keyof typeof after],
    });
    expect(await yard.events()).toContain(
      `Metadata of cartridge LAB001 changed by hand: ${item} is now ${shown}`,
    );
  });

  it('have years from 1970 to 2069', async () => {
    await set('written', '01Jan70 00:00');
    expect(await yard.catalog.findTape('LAB001')).toMatchObject({ writtenAtMs: 0 });
    await set('written', '31Dec69 23:59');
    expect(await yard.catalog.findTape('LAB001')).toMatchObject({
      writtenAtMs: Date.UTC(2069, 11, 31, 23, 59),
    });
  });

  it('lose an item with none, but not their making', async () => {
    await set('exported', '02Mar05 14:41');
    await set('exported', 'none');
    await set('owner', 'NIGHT');
    await set('migrated-by', 'other');
    expect(await yard.catalog.findTape('LAB001')).toMatchObject({
      exportedAtMs: undefined,
      owner: 'NIGHT',
      migratedBy: 'other',
    });
    await set('migrated-by', 'none');
    const { message } = await yard.refusal('tape.set-metadata', {
      name: 'LAB001',
      item: 'created',
      value: 'none',
    });
    expect(message).toBe('The metadata item created is refused: every tape has one.');
  });

  it.each([
    ['written', '30Feb05 14:41'],
    ['written', '2005-03-02'],
    ['written', '02Mar05 24:00'],
    ['written', ''],
    ['migrated-by', 'somebody'],
    ['owner', 'x'],
    ['owner', 'FIFTEEN LETTERS'],
    ['volume', 'LAB009'],
    ['retention', '2 weeks'],
    ['bytes', '0'],
    ['nonsense', '0'],
  ])('are left alone by what is no value: %s as "%s"', async (item, value) => {
    const before = await yard.catalog.findTape('LAB001');
    for (const name of ['LAB001', 'LAB002']) {
      const refusal = await yard.refusal('tape.set-metadata', { name, item, value });
      expect(refusal.code).toBe('INVALID_ARGUMENT');
    }
    expect(await yard.catalog.findTape('LAB001')).toEqual(before);
  });

  it('are no part of the size', async () => {
    const size = async (): Promise<unknown> =>
      (await yard.catalog.findTape('LAB001'))?.payloadBytes;
    const before = await size();
    await set('owner', 'SOMEBODY');
    expect(await size()).toBe(before);
  });

  it('are not written while a process has the tape', async () => {
    await yard.catalog.takeLock({
      tape: 'LAB001',
      pool: undefined,
      process: 'import 4',
      sinceMs: 5,
      reason: 'it comes in',
    });
    const parameters = { name: 'LAB001', item: 'owner', value: 'NIGHT' };
    expect((await yard.refusal('tape.set-metadata', parameters)).code).toBe('TAPE_LOCKED');
  });

  it('take 27 MB and not a byte more; what makes them less is written all the same', async () => {
    let origin = '';
    const sabotage = {
      catalog: (catalog: Catalog) =>
        decorate(catalog, async (method, call) => {
          if (method !== 'listGenerations') return call();
          const rows = (await call()) as readonly GenerationRow[];
          return rows.map((row, index) => (index === 0 ? { ...row, origin } : row));
        }),
    };
    yard = await Yard.start({ sabotage });
    await yard.write('LAB001', 1);
    await set('owner', 'ADA');
    const seen = sabotage.catalog(yard.catalog);
    const bytes = async (): Promise<number> => {
      const tape = await seen.findTape('LAB001');
      return tape === undefined ? 0 : metadataBytes(seen, tape);
    };
    // With this and one character more of the owner it is the limit.
    origin = 'x'.repeat(METADATA_BYTES_MAX - 1 - (await bytes()));
    await set('owner', 'ADAM');
    expect(await bytes()).toBe(METADATA_BYTES_MAX);
    const parameters = { name: 'LAB001', item: 'owner', value: 'ADAM1' };
    const refusal = await yard.refusal('tape.set-metadata', parameters);
    expect(refusal.code).toBe('LIMIT_EXCEEDED');
    expect(refusal.message).toMatch(/27000001 bytes, over the limit of 27000000 bytes/);
    expect((await yard.catalog.findTape('LAB001'))?.owner).toBe('ADAM');
    origin += 'x';
    await set('owner', 'ADA');
    expect((await yard.catalog.findTape('LAB001'))?.owner).toBe('ADA');
  });
});
