import { describe, expect, it } from 'vitest';
import { concatBytes, encodeAscii, writeUint } from '../../../src/base/bytes.ts';
import { crc32 } from '../../../src/base/crc32.ts';
import { PARCEL_BYTES_MAX } from '../../../src/ports/engine.ts';
import { FRAMES, FrameDecoder, PREAMBLE } from '../../../src/replication/frame.ts';
import type { FrameKind } from '../../../src/replication/frame.ts';
import { decodeMessage, encodeMessage, encodeParts } from '../../../src/replication/messages.ts';

/** A header with a right checksum over itself and no payload. */
function header(type: number, payloadBytes: number, flags = 0): Uint8Array {
  const bytes = new Uint8Array(12);
  bytes[0] = type;
  bytes[1] = flags;
  writeUint(bytes, 4, 4, payloadBytes);
  writeUint(bytes, 8, 4, crc32(bytes.subarray(0, 8)));
  return bytes;
}

function decoder(): FrameDecoder {
  const begun = new FrameDecoder('east');
  begun.push(PREAMBLE);
  return begun;
}

const refuses = (work: () => unknown, what: RegExp): void => {
  expect(work).toThrow(expect.objectContaining({ code: 'PROTOCOL_VIOLATION' }));
  expect(work).toThrow(what);
};

describe('the frame decoder', () => {
  it.each(Object.keys(FRAMES) as FrameKind[])(
    'refuses a %s frame of 4 GiB before it takes memory for it',
    (kind) => {
      const frames = decoder();
      refuses(() => frames.push(header(FRAMES[kind].type, 0xffff_ffff)), /over the limit of/);
      expect(frames.bufferedBytes).toBe(0);
      const { payloadBytesMax } = FRAMES[kind];
      refuses(
        () => decoder().push(header(FRAMES[kind].type, payloadBytesMax + 1)),
        /over the limit/,
      );
    },
  );

  it('takes no more memory than the largest frame has', () => {
    const frames = decoder();
    frames.push(header(FRAMES.parcels.type, FRAMES.parcels.payloadBytesMax));
    expect(frames.bufferedBytes).toBe(12 + 8 + PARCEL_BYTES_MAX);
  });

  it('says where the rest of a large frame belongs, and takes what is put there', () => {
    const frames = decoder();
    const payload = new Uint8Array(200_000).map((_, index) => index % 251);
    const [whole = new Uint8Array()] = encodeParts({ kind: 'manifest', offset: 0, page: payload });
    frames.push(whole.subarray(0, 50_000));
    const { room = new Uint8Array() } = frames;
    expect(room.length).toBe(whole.length - 50_000);
    room.set(whole.subarray(50_000));
    expect(frames.fill(100_000)).toEqual([]);
    // The little that is left may come with the next frame.
    expect(frames.room).toBeUndefined();
    expect(frames.fill(room.length - 100_000)).toEqual([
      { kind: 'manifest', payload: whole.subarray(12) },
    ]);
    expect(frames.atBoundary).toBe(true);
  });

  it('refuses an unknown type, flags and a wrong checksum', () => {
    refuses(() => decoder().push(header(0x7f, 0)), /unknown type 127/);
    refuses(() => decoder().push(header(FRAMES.ping.type, 0, 1)), /flags/);
    const ping = header(FRAMES.ping.type, 0);
    ping[11] = (ping[11] ?? 0) ^ 1;
    refuses(() => decoder().push(ping), /checksum of a ping frame/);
  });

  it('names what a shell printed before the protocol', () => {
    const noise = encodeAscii('Welcome to west\r\n');
    const frames = new FrameDecoder('west');
    refuses(
      () => frames.push(concatBytes([noise, PREAMBLE])),
      /the account's shell printed text before the protocol: "Welcome to west\.\."/,
    );
  });

  it('says of a stream of another kind that it is no replication', () => {
    const bytes = Uint8Array.of(0x16, 3, 1, 2, 0, 1, 0, 1);
    refuses(() => new FrameDecoder('west').push(bytes), /does not begin with the protocol/);
  });

  it('knows whether the bytes end between two frames', () => {
    const frames = new FrameDecoder('west');
    expect(frames.atBoundary).toBe(false);
    frames.push(PREAMBLE);
    expect(frames.atBoundary).toBe(true);
    const ping = encodeMessage({ kind: 'ping' });
    frames.push(ping.subarray(0, 5));
    expect(frames.atBoundary).toBe(false);
    expect(frames.push(ping.subarray(5))).toHaveLength(1);
    expect(frames.atBoundary).toBe(true);
  });
});

describe('a message', () => {
  const decode = (kind: FrameKind, payload: Uint8Array): unknown =>
    decodeMessage('east', { kind, payload });

  it('of an offer lies byte by byte as documented', () => {
    const frame = encodeMessage({
      kind: 'offer',
      tape: 'A1',
      pool: 'DR',
      labelType: 'backup',
      capacityBytes: 0x0102_0304_0506,
      generation: 7 as never,
      manifestBytes: 0x0a0b,
      manifestDigest: new Uint8Array(32).fill(0xee),
    });
    const payload = [2, 65, 49, 2, 68, 82, 1, 0, 0, 1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0, 0, 0, 7];
    const rest = [0, 0, 0x0a, 0x0b, ...Array.from({ length: 32 }, () => 0xee), 0];
    expect([...frame.subarray(0, 8)]).toEqual([2, 0, 0, 0, 0, 0, 0, 60]);
    expect([...frame.subarray(12)]).toEqual([...payload, ...rest]);
  });

  it('with bytes behind its fields, or too few, is refused', () => {
    refuses(() => decode('progress', new Uint8Array(5)), /bytes behind/);
    refuses(() => decode('progress', new Uint8Array(3)), /too short/);
    refuses(() => decode('hello', Uint8Array.of(0, 1, 0, 0, 0, 0, 9, 65)), /too short/);
  });

  it('with a code or a number that cannot be is refused', () => {
    const ack = new Uint8Array(41);
    ack[0] = 3;
    refuses(() => decode('ack', ack), /code/);
    refuses(() => decode('ack', new Uint8Array(41).fill(0xff, 1, 9)), /2\^53/);
  });

  it('that needs chunks behind the last is refused', () => {
    refuses(() => decode('need', Uint8Array.of(0, 0, 0, 3, 0b1110_0001)), /behind the last/);
    refuses(() => decode('need', Uint8Array.of(0, 0, 0, 9, 0xff)), /another length/);
  });

  it('of a refusal carries nothing that a terminal would obey', () => {
    const frame = encodeMessage({ kind: 'refuse', reason: 'disk\u001b[2J full\né' });
    expect(decode('refuse', frame.subarray(12))).toEqual({
      kind: 'refuse',
      reason: 'disk?[2J full??',
    });
  });
});
