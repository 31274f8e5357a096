import { parcelsOf } from '../../parcels.ts';
import { beforeEach, describe, expect, it } from 'vitest';
import { generation, logicalObjectNumber } from '../../../src/base/units.ts';
import { SimulatedDisk, openSimulatedEngine } from '../../../src/platform/engine.ts';
import type { IncomingCopy, OfferAnswer, TapeOffer } from '../../../src/ports/copy-receiver.ts';
import type { Engine } from '../../../src/ports/engine.ts';
import { FILEMARK, packObjects } from '../../../src/tape/tape-object.ts';
import { Bench, noSpace } from './bench.ts';

let bench: Bench;
/** The sender's vault: image `S<byte>` holds one block of such bytes. */
let source: Engine;

beforeEach(async () => {
  bench = await Bench.start();
  const disk = new SimulatedDisk({ seed: 2, profile: 'any' });
  source = await openSimulatedEngine(disk, '/source', { mode: 'create' });
});

interface Sent {
  readonly offer: TapeOffer;
  readonly manifest: Uint8Array;
  readonly parcels: Uint8Array;
}

async function content(byte: number, more: Partial<TapeOffer> = {}): Promise<Sent> {
  const name = `S${byte}`;
  await source.createImage(name, { partitionCount: 1 });
  const image = await source.openImage(name, 'write');
  const objects = packObjects([
    { kind: 'block', data: new Uint8Array(5_000).fill(byte) },
    FILEMARK,
  ]);
  await image.append({ partition: 0, at: logicalObjectNumber(0), ...objects });
  await image.sync({ generation: generation(1) });
  await image.close();
  const manifest = await source.exportManifest(name);
  const { digest, digests } = await source.readManifest(manifest);
  const offer: TapeOffer = {
    sourceServer: 'north',
    tape: 'LAB001',
    pool: 'POOL1',
    labelType: 'backup',
    capacityBytes: 1_000_000,
    generation: generation(5),
    manifestBytes: manifest.length,
    manifestDigest: digest,
    ...more,
  };
  return { offer, manifest, parcels: await parcelsOf(source, digests) };
}

const offered = (sent: Sent): Promise<OfferAnswer> =>
  bench.finish(bench.east.server.receiver.offer(sent.offer));

async function accepted(sent: Sent): Promise<IncomingCopy> {
  const answer = await offered(sent);
  if (answer.kind !== 'accept')
    throw new Error(`it is accepted, and not ${JSON.stringify(answer)}`);
  await bench.finish(answer.copy.engine.addParcels(sent.parcels));
  return answer.copy;
}

async function copied(sent: Sent): Promise<void> {
  await bench.finish((await accepted(sent)).commit(sent.manifest));
}

const row = (tape = 'LAB001') => bench.east.catalog.findTape(tape);
const images = async (): Promise<string[]> =>
  (await bench.finish(bench.east.engine.listImages())).map((image) => image.name);

describe('an offered copy', () => {
  it('of the server itself is refused, whatever its rule calls the target', async () => {
    const sent = await content(1, { sourceServer: 'east', tape: 'NEW001' });
    const reason = 'the target is the source itself, or another server of its name';
    expect(await offered(sent)).toEqual({ kind: 'refuse', reason });
    expect(await row('NEW001')).toBeUndefined();
    expect(await bench.east.log('622104')).toEqual([
      `Copy of cartridge NEW001 from east refused: ${reason}`,
    ]);
    const inquiry = { scheme: '', sourceServer: 'east', thorough: false, tapes: [sent.offer] };
    await expect(bench.east.server.receiver.instantDr?.inquire(inquiry)).rejects.toMatchObject({
      code: 'COPY_REFUSED',
    });
  });

  it('becomes the tape once it is committed, and is recorded as what came from there', async () => {
    const sent = await content(1);
    const copy = await accepted(sent);
    expect(await row()).toMatchObject({ generation: 0 });
    await bench.finish(copy.commit(sent.manifest));
    expect(await row()).toMatchObject({
      generation: 5,
      payloadBytes: 5_000,
      labelType: 'backup',
      capacityBytes: 1_000_000,
      copiedFrom: 'north',
    });
    expect(await images()).toEqual(['LAB001', 'LAB002']);
    expect(await bench.finish(bench.east.engine.exportManifest('LAB001'))).toEqual(sent.manifest);
    expect(await bench.east.log('222105')).toEqual([
      'Cartridge LAB001 received from north into Pool POOL1, generation 5',
    ]);
  });

  it('makes tape and pool where they are missing', async () => {
    await copied(await content(1, { tape: 'NEW001', pool: 'NEWPOOL' }));
    expect(await row('NEW001')).toMatchObject({ pool: 'NEWPOOL', vault: 'VAULT00', generation: 5 });
    expect(await bench.east.call('pool.show', { name: 'NEWPOOL' })).toMatchObject({ tapeCount: 1 });
  });

  it('makes the pool once where two copies come for it at the same time', async () => {
    const sent = [
      await content(1, { tape: 'NEW001', pool: 'NEWPOOL' }),
      await content(2, { tape: 'NEW002', pool: 'NEWPOOL' }),
    ];
    const answers = await bench.finish(
      Promise.all(sent.map(({ offer }) => bench.east.server.receiver.offer(offer))),
    );
    expect(answers.map((answer) => answer.kind)).toEqual(['accept', 'accept']);
  });

  it('that is there already is answered as present, without a log entry', async () => {
    const sent = await content(1);
    await copied(sent);
    const logged = await bench.east.log();
    expect(await offered(sent)).toEqual({ kind: 'present' });
    expect(await bench.east.log()).toEqual(logged);
  });

  it('that is older than the tape is answered as stale', async () => {
    const sent = await content(1);
    await copied(sent);
    const older = await content(2, { generation: generation(4) });
    expect(await offered(older)).toEqual({ kind: 'stale', generation: 5 });
  });

  it('with another content at the same generation is refused', async () => {
    await copied(await content(1));
    expect(await offered(await content(2))).toEqual({
      kind: 'refuse',
      reason: 'the virtual tape has another content at the same generation',
    });
  });

  it("for a tape in another pool is refused in the manual's words, each time, and logged", async () => {
    const sent = await content(1, { pool: 'DR' });
    const reason = 'the virtual tape already exists in another pool on the target';
    expect(await offered(sent)).toEqual({ kind: 'refuse', reason });
    expect(await offered(sent)).toEqual({ kind: 'refuse', reason });
    const entry = `Copy of cartridge LAB001 from north refused: ${reason}`;
    expect(await bench.east.log('622104')).toEqual([entry, entry]);
    expect((await bench.east.catalog.listPools()).map((pool) => pool.name)).toEqual(['POOL1']);
  });

  it.each([true, false])('for a tape that is mounted (ring %s) is refused', async (ring) => {
    await bench.request('LAB001', { ring });
    const sent = await content(1);
    expect(await offered(sent)).toEqual({ kind: 'refuse', reason: 'the virtual tape is mounted' });
    await bench.unload();
    await copied(sent);
    expect(await row()).toMatchObject({ generation: 5 });
  });

  it('is refused while another one of the same tape comes in, and not after', async () => {
    const first = await content(1);
    const copy = await accepted(first);
    const second = await content(2, { generation: generation(6) });
    expect(await offered(second)).toMatchObject({ kind: 'refuse' });
    await bench.finish(copy.abandon());
    await copied(second);
    expect(await row()).toMatchObject({ generation: 6 });
  });

  it.each([
    ['tape', { tape: '../ETC' }],
    ['tape', { tape: 'LAB0001' }],
    ['pool', { pool: 'dr' }],
  ])('with a %s name outside its pattern is refused by name', async (kind, more) => {
    const { offer } = await content(1);
    const offering = bench.east.server.receiver.offer({ ...offer, ...more });
    await expect(bench.finish(offering)).rejects.toThrow(
      new RegExp(
        `^The ${kind} name "${Object.values(more)[0]?.replaceAll('.', '\\.')}" is refused`,
      ),
    );
  });

  it('to a server without a vault is refused', async () => {
    await bench.west.start();
    const { offer } = await content(1);
    const answer = await bench.finish(bench.west.server.receiver.offer(offer));
    expect(answer).toEqual({ kind: 'refuse', reason: 'the target has no vault' });
  });
});

describe('what changes between offer and commit', () => {
  const refused = async (copy: IncomingCopy, sent: Sent, reason: string): Promise<void> => {
    await expect(bench.finish(copy.commit(sent.manifest))).rejects.toMatchObject({
      code: 'COPY_REFUSED',
      fields: { reason },
    });
    expect(await images()).not.toContain('LAB001.INCOMING');
    expect(await bench.east.log('622104')).toEqual([
      `Copy of cartridge ${sent.offer.tape} from north refused: ${reason}`,
    ]);
  };

  it('a mount that starts keeps its tape, and nothing is left staged', async () => {
    const sent = await content(1);
    const copy = await accepted(sent);
    await bench.request('LAB001');
    await refused(copy, sent, 'the virtual tape is mounted');
    await bench.write(9);
    expect((await bench.unload()).kind).toBe('done');
    expect(await row()).toMatchObject({ generation: 1, copiedFrom: undefined });
    const reason = 'the virtual tape was written on the target';
    expect(await offered(sent)).toEqual({ kind: 'refuse', reason });
  });

  it('what was written here goes only for a version that says which one it replaces', async () => {
    await bench.backUp(9);
    const manifest = await bench.finish(bench.east.engine.exportManifest('LAB001'));
    const { digest } = await bench.finish(bench.east.engine.readManifest(manifest));
    const another = { generation: generation(1), manifestDigest: new Uint8Array(32) };
    const reason = 'the virtual tape was written on the target';
    expect(await offered(await content(1, { replaces: another }))).toEqual({
      kind: 'refuse',
      reason,
    });
    await copied(await content(2, { replaces: { ...another, manifestDigest: digest } }));
    expect(await row()).toMatchObject({ generation: 5, copiedFrom: 'north' });
  });

  it('a backup that made the tape newer is not written over', async () => {
    const sent = await content(1, { generation: generation(1) });
    const copy = await accepted(sent);
    await bench.backUp(8);
    await bench.backUp(9);
    const before = await bench.finish(bench.east.engine.exportManifest('LAB001'));
    await refused(copy, sent, 'the virtual tape was changed on the target');
    expect(await bench.finish(bench.east.engine.exportManifest('LAB001'))).toEqual(before);
    expect(await row()).toMatchObject({ generation: 2 });
  });

  it('a tape created in another pool keeps its image', async () => {
    const sent = await content(1, { tape: 'NEW001' });
    const copy = await accepted(sent);
    await bench.east.call('pool.create', { name: 'OTHER', vault: 'VAULT00' });
    await bench.east.call('tape.create', { name: 'NEW001', pool: 'OTHER' });
    const before = await bench.finish(bench.east.engine.exportManifest('NEW001'));
    await refused(copy, sent, 'the virtual tape already exists in another pool on the target');
    expect(await bench.finish(bench.east.engine.exportManifest('NEW001'))).toEqual(before);
  });

  it('a stop of the server ends it', async () => {
    const sent = await content(1);
    const copy = await accepted(sent);
    await bench.east.stop();
    await expect(bench.finish(copy.commit(sent.manifest))).rejects.toBeDefined();
    await bench.east.restart();
    expect(await images()).toEqual(['LAB001', 'LAB002']);
    expect(await row()).toMatchObject({ generation: 0 });
  });
});

describe('a copy that fails', () => {
  it('leaves nothing staged when it is abandoned, and its chunks stay', async () => {
    const sent = await content(1);
    const copy = await accepted(sent);
    await bench.finish(copy.abandon());
    expect(await images()).toEqual(['LAB001', 'LAB002']);
    const { digests } = await source.readManifest(sent.manifest);
    const lacking = await bench.finish(bench.east.engine.lackingChunks(digests));
    expect([...lacking].every((lacks) => lacks === 0)).toBe(true);
  });

  it('leaves nothing staged where the disk or the catalog refuses, and may come again', async () => {
    for (const failing of ['engine.sync', 'engine.publishImage', 'catalog.recordContent']) {
      const sent = await content(failing.length);
      const copy = await accepted(sent);
      bench.east.before = (call) => {
        if (call === failing) throw noSpace();
      };
      await expect(bench.finish(copy.commit(sent.manifest))).rejects.toMatchObject({
        code: 'NO_SPACE',
      });
      bench.east.before = () => undefined;
      expect(await images()).toEqual(['LAB001', 'LAB002']);
    }
    const sent = await content(77);
    await copied(sent);
    expect(await row()).toMatchObject({ generation: 5 });
    expect(await bench.finish(bench.east.engine.exportManifest('LAB001'))).toEqual(sent.manifest);
  });

  it('in a crash leaves nothing staged after the start', async () => {
    const sent = await content(1);
    const copy = await accepted(sent);
    bench.east.before = (call) => (call === 'engine.publishImage' ? bench.east.die() : undefined);
    void copy.commit(sent.manifest);
    await bench.world.advance(0);
    await bench.east.restart();
    expect(await images()).toEqual(['LAB001', 'LAB002']);
    expect(await row()).toMatchObject({ generation: 0 });
    expect(await bench.east.call('tape.verify')).toMatchObject({ damages: [] });
  });

  it('in a crash between rename and record is recorded at the start', async () => {
    const sent = await content(1);
    const copy = await accepted(sent);
    bench.east.before = (call) => (call === 'catalog.recordContent' ? bench.east.die() : undefined);
    void copy.commit(sent.manifest);
    await bench.world.advance(0);
    await bench.east.restart();
    expect(await row()).toMatchObject({ generation: 5, payloadBytes: 5_000 });
    expect(await bench.east.log('420112')).toEqual([
      'Cartridge LAB001 was found at generation 5, the catalog had 0 and was corrected',
    ]);
    expect(await offered(sent)).toEqual({ kind: 'present' });
  });

  it('of a new tape, in a crash between rename and record, comes again', async () => {
    const sent = await content(1, { tape: 'NEW001' });
    const copy = await accepted(sent);
    bench.east.before = (call) => (call === 'catalog.recordContent' ? bench.east.die() : undefined);
    void copy.commit(sent.manifest);
    await bench.world.advance(0);
    await bench.east.restart();
    expect(await row('NEW001')).toBeUndefined();
    expect(await bench.east.log('820110')).toHaveLength(1);
    await copied(sent);
    expect(await row('NEW001')).toMatchObject({ generation: 5 });
  });
});
