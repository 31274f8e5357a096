import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../../src/base/bytes.ts';
import { generation } from '../../../src/base/units.ts';
import { MANIFEST_BYTES_MAX } from '../../../src/ports/engine.ts';
import { Connection } from '../../../src/replication/connection.ts';
import { needOf } from '../../../src/replication/need.ts';
import type { Message, MessageOf } from '../../../src/replication/messages.ts';
import { receiveCopies } from '../../../src/replication/receiver.ts';
import { SimulatedClock } from '../../../harness/world/simulated-clock.ts';
import { OFFER, STALL_TIMEOUT_MS, TargetServer, settle } from './copies.ts';
import { duplexPair } from './duplex-pair.ts';
import { helloOf, tapeToOffer, receiveSaid, said, sendToSaid } from './hostile-peer.ts';

const { source, parcels, offer, page, commit } = await tapeToOffer(4);

const hello = helloOf('east');
const sent: MessageOf<'parcels'> = {
  kind: 'parcels',
  chunksBefore: 0,
  chunkCount: 4,
  parcels,
};
const bases: MessageOf<'bases'> = { kind: 'bases', digests: new Uint8Array(64) };

interface Reception {
  readonly target: TargetServer;
  readonly log: readonly string[];
  readonly elapsedMs: number;
}

/** A receiver that is sent `bytes`, and then the end of the stream. */
async function receive(bytes: Uint8Array, ending: 'end' | 'silence' = 'end'): Promise<Reception> {
  const target = new TargetServer();
  return { target, ...(await receiveSaid(bytes, { receiver: target, ending })) };
}

describe('a receiver', () => {
  it('takes a copy that follows the protocol', async () => {
    const { target, log } = await receive(said(hello, offer, page, sent, commit));
    expect([log, target.committed, target.abandoned]).toEqual([[], 1, 0]);
  });

  it.each<[string, Message[], RegExp]>([
    ['an offer before the greeting', [offer], /came in place of hello/],
    ['a version before this', [{ ...hello, version: 1 }], /version 1/],
    ['a server name that is none', [{ ...hello, serverName: '../x' }], /server name/],
    ['chunks before an offer', [hello, sent], /in place of an offer/],
    ['a receiver’s frame', [hello, { kind: 'progress', chunksStored: 1 }], /in place of an offer/],
    ['an offer in an offer', [hello, offer, offer], /in place of manifest/],
    [
      'another manifest',
      [hello, { ...offer, manifestDigest: new Uint8Array(32) }, page],
      /offered/,
    ],
    ['a manifest page that is too long', [hello, { ...offer, manifestBytes: 9 }, page], /a page/],
    ['a manifest page elsewhere', [hello, offer, { ...page, offset: 5 }], /a page/],
    ['a commit before the chunks', [hello, offer, page, commit], /in place of bases or parcels/],
    ['chunks twice', [hello, offer, page, sent, sent], /in place of commit/],
    ['chunks from elsewhere', [hello, offer, page, { ...sent, chunksBefore: 1 }], /chunks came/],
    ['more chunks than it says', [hello, offer, page, { ...sent, chunkCount: 3 }], /announces/],
    ['no chunks', [hello, offer, page, { ...sent, chunkCount: 0 }], /chunks came/],
    [
      'half a parcel',
      [hello, offer, page, { ...sent, parcels: parcels.subarray(1) }],
      /end within/,
    ],
    ['another content', [hello, offer, page, changed(parcels.length - 1)], /not as it says/],
    ['another digest', [hello, offer, page, changed(12)], /nothing that was asked for/],
    ['a parcel twice', [hello, offer, page, twice()], /nothing that was asked for/],
    ['no bases', [hello, offer, page, { ...bases, digests: new Uint8Array() }], /0 bases/],
    ['bases among the parcels', [hello, offer, page, firstOf(), bases], /in place of parcels/],
    [
      'a commit of another generation',
      [hello, offer, page, sent, { ...commit, generation: generation(4) }],
      /another copy/,
    ],
  ])(
    'ends the connection at %s, with one sentence and nothing left',
    async (_name, messages, what) => {
      const { target, log } = await receive(said(...messages));
      expect(log).toHaveLength(1);
      expect(log[0]).toMatch(/^east broke the replication protocol: /);
      expect(log[0]).toMatch(what);
      expect(target.committed).toBe(0);
      expect(target.abandoned).toBe(target.offers.length);
      expect(await target.engine.listImages()).toEqual([]);
    },
  );

  it('says what it lacks of what deltas rest on', async () => {
    const { target, log } = await receive(said(hello, offer, page, bases, sent, commit));
    expect([log, target.committed]).toEqual([[], 1]);
  });

  it('refuses names and sizes before the server hears of the offer', async () => {
    for (const changes of [
      { tape: '../../A' },
      { pool: 'dr' },
      { manifestBytes: MANIFEST_BYTES_MAX + 1 },
    ]) {
      const { target, log } = await receive(said(hello, { ...offer, ...changes }));
      expect(target.offers).toEqual([]);
      expect(log).toHaveLength(1);
      expect(log[0]).toMatch(/is refused/);
    }
  });

  it('passes over what was under way when it refused, and takes the next offer', async () => {
    const refused = { ...offer, pool: 'no' };
    const { target } = await receive(
      said(hello, refused, page, sent, commit, offer, page, sent, commit),
    );
    expect([target.offers.length, target.committed]).toEqual([1, 1]);
  });

  it('that was sent half a copy and then nothing gives up in time', async () => {
    const { target, log, elapsedMs } = await receive(said(hello, offer, page), 'silence');
    expect(log).toEqual([
      `The connection to east was lost: the peer was silent for ${STALL_TIMEOUT_MS} ms.`,
    ]);
    expect(elapsedMs).toBe(STALL_TIMEOUT_MS);
    expect(target.abandoned).toBe(1);
  });

  it('that hears nothing but keep-alives gives up, too', async () => {
    const { near, far } = duplexPair();
    const clock = new SimulatedClock();
    const log: string[] = [];
    const peer = new Connection({ stream: near, clock, stallTimeoutMs: 10 * STALL_TIMEOUT_MS });
    const receiving = receiveCopies({
      stream: far,
      receiver: new TargetServer(),
      clock,
      serverName: 'west',
      stallTimeoutMs: STALL_TIMEOUT_MS,
      log: (sentence) => log.push(sentence),
    });
    await peer.greet('east');
    await settle(clock, receiving);
    peer.destroy();
    expect(log).toEqual([
      'The connection to east was lost: the peer is alive, but makes no progress.',
    ]);
    expect(clock.elapsedMs).toBe(10 * STALL_TIMEOUT_MS);
  });
});

/** The parcels with another byte there. */
function changed(offset: number): MessageOf<'parcels'> {
  return { ...sent, parcels: parcels.with(offset, (parcels[offset] ?? 0) ^ 0x55) };
}

function twice(): MessageOf<'parcels'> {
  return { ...sent, parcels: concatBytes([parcels, parcels]) };
}

/** One parcel of the four. */
function firstOf(): MessageOf<'parcels'> {
  return { ...sent, chunkCount: 1, parcels: parcels.subarray(0, parcels.length / 4) };
}

/** A sender whose receiver says `messages`, whatever it is sent. */
const sendTo = async (...messages: Message[]): Promise<unknown> =>
  (await sendToSaid(source, said(helloOf('west'), ...messages))).outcome;

const needManifest: Message = { kind: 'need-manifest', wants: 'whole' };
const need: Message = needOf(Uint8Array.of(1, 1, 1, 1));
const ack: MessageOf<'ack'> = {
  kind: 'ack',
  outcome: 'copied',
  generation: OFFER.generation,
  manifestDigest: offer.manifestDigest,
};

const present: MessageOf<'ack'> = { ...ack, outcome: 'present' };

describe('a sender', () => {
  it.each<[string, Message[]]>([
    ['that it copied what was not sent', [ack]],
    ['for another version', [{ ...present, generation: generation(9) }]],
    ['for another manifest', [{ ...present, manifestDigest: new Uint8Array(32) }]],
    ['that calls an older version newer', [{ ...ack, outcome: 'stale' }]],
    ['before all chunks were sent', [needManifest, need, ack]],
    ['of chunks never sent', [needManifest, need, { kind: 'progress', chunksStored: 9 }]],
    ['to what it was not asked', [needManifest, need, needOf(Uint8Array.of(1))]],
    ['that needs chunks of another tape', [needManifest, needOf(Uint8Array.of(1, 1))]],
    ['out of turn', [need]],
  ])('does not believe an answer %s', async (_name, messages) => {
    expect(await sendTo(...messages)).toMatchObject({ code: 'PROTOCOL_VIOLATION' });
  });

  it('of a receiver that falls silent gives up in time', async () => {
    expect(await sendTo(needManifest)).toMatchObject({
      code: 'CONNECTION_LOST',
      fields: { peer: 'west', reason: `the peer was silent for ${STALL_TIMEOUT_MS} ms` },
    });
  });
});
