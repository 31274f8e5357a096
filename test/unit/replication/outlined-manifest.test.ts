/**
 * Goal: of a manifest only what the receiver's older one lacks has to come, and no peer makes more of it than that.
 * Method: a tape of a thousand chunks and its next version, on native stores whose line is counted; then a sender
 * that says of the outline what is not so.
 */
import { describe, expect, it } from 'vitest';
import { CapstanError } from '../../../src/base/errors.ts';
import { SimulatedDisk, openSimulatedEngine } from '../../../src/platform/engine.ts';
import type { CopyReceiver } from '../../../src/ports/copy-receiver.ts';
import { OUTLINE_PIECE_BYTES } from '../../../src/ports/engine.ts';
import type { Engine } from '../../../src/ports/engine.ts';
import { needOf } from '../../../src/replication/need.ts';
import type { Message, Need } from '../../../src/replication/messages.ts';
import { OutlineIntake, neededPieces } from '../../../src/replication/outline.ts';
import { EngineModel } from '../../../harness/model/engine-model.ts';
import { ModelStore } from '../../../harness/model/model-store.ts';
import { SimulatedRandom } from '../../../harness/world/simulated-random.ts';
import { OFFER, runCopy, writeBlocks } from './copies.ts';
import { duplexPair } from './duplex-pair.ts';
import { helloOf, offerOf, receiveSaid, said, sendToSaid } from './hostile-peer.ts';

const BLOCK_COUNT = 1000;
const BLOCK_BYTES = 4000;

function noise(): Uint8Array[] {
  const random = new SimulatedRandom(5);
  return Array.from({ length: BLOCK_COUNT }, () => random.bytes(BLOCK_BYTES));
}

/** `olderImage`: the image that the server says is there. */
function receiverOf(engine: Engine, olderImage?: string): CopyReceiver & { committed: number } {
  const receiver = {
    committed: 0,
    offer: async () => ({
      kind: 'accept' as const,
      copy: {
        engine,
        olderImage,
        commit: async (manifest: Uint8Array) => {
          receiver.committed += 1;
          await engine.stageImage('LAB001.NEW', manifest, { generation: OFFER.generation });
          await engine.sync();
          await engine.publishImage('LAB001.NEW', 'LAB001');
        },
        abandon: async () => {},
      },
    }),
  };
  return receiver;
}

describe('the manifest of a tape of which the receiver has an older version', () => {
  const open = (): Promise<Engine> =>
    openSimulatedEngine(new SimulatedDisk({ seed: 1, profile: 'any' }), 'v', { mode: 'create' });

  it('costs what has changed of it, and one round trip', async () => {
    const [source, target] = await Promise.all([open(), open()]);
    const blocks = noise();
    const copy = async (olderImage?: string): Promise<number> => {
      const pair = duplexPair();
      const { error, log } = await runCopy(source, receiverOf(target, olderImage), pair);
      expect([error, log]).toEqual([undefined, []]);
      const manifest = await target.exportManifest('LAB001');
      expect(manifest).toEqual(await source.exportManifest('LAB001'));
      return pair.bytesWritten().near;
    };
    await writeBlocks(source, blocks, 1);
    await copy();
    const manifestBytes = (await source.exportManifest('LAB001')).length;
    expect(manifestBytes).toBeGreaterThan(BLOCK_COUNT * 40);
    await writeBlocks(source, blocks.with(500, new Uint8Array(BLOCK_BYTES)), 2);
    expect(await copy('LAB001')).toBeLessThan(manifestBytes / 8);
    // Whoever cannot read what it had gets the whole, and the same copy.
    await writeBlocks(source, blocks.with(300, new Uint8Array(BLOCK_BYTES)), 3);
    expect(await copy('GONE')).toBeGreaterThan(manifestBytes);
  });
});

const older = new EngineModel(new ModelStore());
await writeBlocks(older, noise(), 1);
const source = new EngineModel(new ModelStore());
await writeBlocks(source, noise().with(7, new Uint8Array(BLOCK_BYTES)), 1);
const manifest = await source.exportManifest('LAB001');
const { digest } = await source.readManifest(manifest);
const pieces = await source.outlineManifest(manifest);
const { lacking } = await older.fillManifest(pieces, await older.exportManifest('LAB001'));
const lackingPieces = neededPieces(manifest, pieces, needOf(lacking));
const offer = offerOf(manifest, digest);
const outline: Message = { kind: 'outline', pieces };
const lengthOf = (piece: number): number => {
  const at = piece * OUTLINE_PIECE_BYTES;
  return (pieces[at] ?? 0) * 256 + (pieces[at + 1] ?? 0);
};
const withLength = (piece: number, length: number): Message => {
  const at = piece * OUTLINE_PIECE_BYTES;
  return { kind: 'outline', pieces: pieces.with(at, length >> 8).with(at + 1, length & 0xff) };
};

/** What a receiver that has the older version says to a sender of `messages`. */
async function receive(
  ...messages: Message[]
): Promise<{ log: readonly string[]; committed: number }> {
  const receiver = receiverOf(older, 'LAB001');
  const { log } = await receiveSaid(said(helloOf('east'), offer, ...messages), { receiver });
  return { log, committed: receiver.committed };
}

describe('a receiver that is sent an outline', () => {
  it.each<[string, Message[], RegExp]>([
    [
      'the whole manifest all the same',
      [{ kind: 'manifest', offset: 0, page: manifest }],
      /outline/,
    ],
    ['a part without pieces', [{ kind: 'outline', pieces: new Uint8Array() }], /is empty/],
    ['a piece of no length', [withLength(3, 0)], /a piece of the manifest has 0 bytes/],
    ['a piece that is too short', [withLength(3, 63)], /a piece of the manifest has 63 bytes/],
    ['a piece that is too long', [withLength(3, 4097)], /a piece of the manifest has 4097 bytes/],
    [
      'pieces of more than was offered',
      [withLength(3, lengthOf(3) + 1)],
      /a piece of the manifest/,
    ],
    ['more pieces than were offered', [outline, outline], /in place of manifest/],
    [
      'a page that is too long',
      [outline, { kind: 'manifest', offset: 0, page: manifest }],
      /a page/,
    ],
    ['another manifest than it offered', [outline, lackingPage(1)], /manifest/],
  ])('ends the connection at %s, and publishes nothing', async (_name, messages, what) => {
    const { log, committed } = await receive(...messages);
    expect(log).toHaveLength(1);
    expect(log[0]).toMatch(/^east broke the replication protocol: /);
    expect(log[0]).toMatch(what);
    expect(committed).toBe(0);
  });

  it('takes the right one, and asks for the chunks next', async () => {
    const { log } = await receive(outline, lackingPage(0));
    expect(log).toEqual([expect.stringMatching(/ended it/)]);
  });
});

/** What the older version lacks of the manifest, `bits` of its first byte turned over. */
function lackingPage(bits: number): Message {
  const page = lackingPieces.slice();
  page[0] = (page[0] ?? 0) ^ bits;
  return { kind: 'manifest', offset: 0, page };
}

describe('what lacks of a manifest', () => {
  it('is gathered piece by piece', () => {
    expect(lackingPieces.length).toBeLessThan(manifest.length / 8);
    expect(neededPieces(manifest, pieces, allOf(1))).toEqual(manifest);
    expect(neededPieces(manifest, pieces, allOf(0))).toEqual(new Uint8Array());
  });

  it('is outlined in parts of any length', () => {
    const intake = new OutlineIntake('east', manifest.length);
    for (let offset = 0; offset < pieces.length; offset += 5 * OUTLINE_PIECE_BYTES) {
      expect(intake.isComplete).toBe(false);
      intake.add(pieces.subarray(offset, offset + 5 * OUTLINE_PIECE_BYTES));
    }
    expect(intake.isComplete).toBe(true);
    expect(intake.outline()).toEqual(pieces);
    expect(() => intake.add(pieces.subarray(0, OUTLINE_PIECE_BYTES))).toThrow(CapstanError);
  });

  it('is not believed of a receiver that asks for pieces of another', async () => {
    const wanted: Message = { kind: 'need-manifest', wants: 'outline' };
    const answers = said(helloOf('west'), wanted, needOf(Uint8Array.of(1, 1)));
    const { outcome } = await sendToSaid(source, answers);
    expect(outcome).toMatchObject({ code: 'PROTOCOL_VIOLATION' });
  });
});

function allOf(value: 0 | 1): Need {
  return needOf(new Uint8Array(pieces.length / OUTLINE_PIECE_BYTES).fill(value));
}
