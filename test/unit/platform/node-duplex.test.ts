/** Bytes that a reader wants in a place of its own: all of them there, in order, and none of them lost or kept back. */
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { NodeDuplex } from '../../../src/platform/node-duplex.ts';

const patternAt = (start: number, length: number): Uint8Array =>
  new Uint8Array(length).map((_, index) => (start + index) % 251);

function scene() {
  const wire = new PassThrough();
  const writable = new PassThrough();
  const stream = new NodeDuplex({
    peer: 'east',
    readable: wire,
    writable,
    drop: () => wire.destroy(),
  });
  return { wire, stream };
}

describe('a reader who wants bytes in a place of its own', () => {
  it('gets them there, what came before it asked and what comes after, and the rest stays', async () => {
    const { wire, stream } = scene();
    wire.write(patternAt(0, 700));
    await new Promise(setImmediate);
    const into = new Uint8Array(2000);
    const reading = stream.readInto(into);
    wire.write(patternAt(700, 900));
    wire.write(patternAt(1600, 900));
    expect(await reading).toBe(2000);
    expect(into).toEqual(patternAt(0, 2000));
    expect(await stream.read()).toEqual(Buffer.from(patternAt(2000, 500)));
  });

  it('may have them put there by who reads: those are not moved', async () => {
    const { wire, stream } = scene();
    const into = new Uint8Array(300);
    const reading = stream.readInto(into);
    wire.emit('data', patternAt(0, 100));
    const { room } = stream;
    room?.set(patternAt(100, 200));
    wire.emit('data', room);
    expect([room?.byteOffset, await reading, stream.room]).toEqual([100, 300, undefined]);
    expect(into).toEqual(patternAt(0, 300));
  });

  it('is told after a while of what there is, and goes on behind it', async () => {
    const { wire, stream } = scene();
    const into = new Uint8Array(300);
    const reading = stream.readInto(into);
    await new Promise((done) => {
      setTimeout(done, 30);
    });
    wire.write(patternAt(0, 100));
    expect(await reading).toBe(100);
    wire.write(patternAt(100, 200));
    expect(await stream.readInto(into.subarray(100))).toBe(200);
    expect(into).toEqual(patternAt(0, 300));
  });

  it('hears of the end, with what came before it', async () => {
    const { wire, stream } = scene();
    const into = new Uint8Array(300);
    wire.end(patternAt(0, 100));
    expect([await stream.readInto(into), await stream.readInto(into)]).toEqual([100, 0]);
  });

  it('hears of a loss', async () => {
    const { stream } = scene();
    const reading = stream.readInto(new Uint8Array(300));
    stream.lose('the line was cut');
    await expect(reading).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
  });
});
