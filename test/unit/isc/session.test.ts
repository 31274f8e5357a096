import { describe, expect, it } from 'vitest';
import { World } from '../../../harness/world/world.ts';
import { CapstanError } from '../../../src/base/errors.ts';
import { DATA_BYTES_MAX, IscFrameDecoder, encodeFrame } from '../../../src/isc/frame.ts';
import { IscSession } from '../../../src/isc/session.ts';
import type { IscReply } from '../../../src/isc/session.ts';
import type { DuplexStream } from '../../../src/ports/network.ts';
import { Life } from '../../../harness/world/life.ts';

const SILENCE_MS = 15_000;
const NONE = new Uint8Array(0);
const EAST = { address: '10.0.0.1', port: 1 };

interface Side {
  readonly session: IscSession;
  readonly heard: string[];
  readonly ended: string[];
}

class Line {
  readonly world = new World(1);

  side(stream: DuplexStream, onCall: (method: string) => Promise<IscReply>): Side {
    const heard: string[] = [];
    const ended: string[] = [];
    const session = new IscSession({
      stream,
      clock: this.world.clock,
      silenceMs: SILENCE_MS,
      onCall,
      onNote: async (method, parameters) => {
        heard.push(`${method} ${JSON.stringify(parameters)}`);
      },
      onEnd: (reason) => ended.push(reason),
    });
    return { session, heard, ended };
  }

  /** Both ends of a connection. */
  async streams(): Promise<readonly [DuplexStream, DuplexStream]> {
    const { network } = this.world;
    let far: DuplexStream | undefined;
    await network.port('10.0.0.1', new Life()).listen(EAST, (stream) => (far = stream));
    const near = await this.world.finish(network.port('10.0.0.2', new Life()).connect(EAST), 1000);
    if (far === undefined) throw new Error('a connection has two ends');
    return [near, far];
  }
}

describe('a session of the inter-system communication', () => {
  it('answers calls with data, and hears notes before the replies behind them', async () => {
    const line = new Line();
    const [near, far] = await line.streams();
    const data = new Uint8Array(200_000).fill(9);
    const guest = line.side(near, () => Promise.resolve({}));
    const keeper = line.side(far, async (method) => {
      keeper.session.note('changed', { what: 'größer' });
      return { result: { method }, data };
    });
    const reply = await line.world.finish(guest.session.call('read', { at: 1 }), 10_000);
    expect(reply.result).toEqual({ method: 'read' });
    expect(reply.data).toEqual(data);
    expect(guest.heard).toEqual(['changed {"what":"größer"}']);
  });

  it('rejects a call as the other side did', async () => {
    const line = new Line();
    const [near, far] = await line.streams();
    const guest = line.side(near, () => Promise.resolve({}));
    line.side(far, () =>
      Promise.reject(new CapstanError('IN_USE', { kind: 'tape', name: 'LAB001', by: 'a host' })),
    );
    await expect(line.world.finish(guest.session.call('mount', {}), 10_000)).rejects.toMatchObject({
      code: 'IN_USE',
      message: 'The tape LAB001 is in use: a host.',
    });
  });

  it('stays as long as both are there, and ends where one is silent, with every call', async () => {
    const line = new Line();
    const [near, far] = await line.streams();
    const guest = line.side(near, () => Promise.resolve({}));
    const keeper = line.side(far, () => new Promise(() => undefined));
    await line.world.advance(10 * SILENCE_MS);
    expect([guest.ended, keeper.ended]).toEqual([[], []]);
    const call = guest.session.call('sync', {});
    const lost = call.catch((error: unknown) => error);
    line.world.network.wire('10.0.0.1', '10.0.0.2').stall();
    await line.world.advance(2 * SILENCE_MS);
    expect(await lost).toMatchObject({ code: 'CONNECTION_LOST' });
    expect(guest.ended).toEqual(['the peer was silent for 15000 ms']);
    expect(keeper.ended).toEqual(['the peer was silent for 15000 ms']);
    await expect(guest.session.call('sync', {})).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
  });

  it('ends where the other side takes nothing of what it asks for', async () => {
    const line = new Line();
    const [near, far] = await line.streams();
    const data = new Uint8Array(DATA_BYTES_MAX / 2);
    const keeper = line.side(far, () => Promise.resolve({ data }));
    for (let id = 1; id <= 6; id += 1) {
      await near.write(encodeFrame({ kind: 'call', id, method: 'read', parameters: {} }, NONE));
    }
    await line.world.advance(1000);
    expect(keeper.ended).toEqual(['the peer does not take what it is sent']);
  });

  it('ends where the other side sends what is no message', async () => {
    for (const bytes of [
      Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0),
      Uint8Array.of(0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff),
      Uint8Array.of(0, 0, 0, 2, 0, 0, 0, 0, 0x7b, 0x5d),
      encodeFrame({ kind: 'call', id: 'one' }, new Uint8Array(0)),
      encodeFrame([], new Uint8Array(0)),
    ]) {
      const line = new Line();
      const [near, far] = await line.streams();
      const keeper = line.side(far, () => Promise.resolve({}));
      await line.world.finish(near.write(bytes), 1000);
      await line.world.advance(1000);
      expect(keeper.ended).toHaveLength(1);
    }
  });
});

describe('frames', () => {
  it('come out as they went in, in whatever pieces they arrive', () => {
    const frames = [
      { header: { kind: 'ping' }, data: new Uint8Array(0) },
      { header: { text: 'ä€😀' }, data: Uint8Array.of(1, 2, 3) },
      { header: 7, data: new Uint8Array(1000).fill(5) },
    ];
    const parts = frames.flatMap(({ header, data }) => [...encodeFrame(header, data)]);
    const bytes = Uint8Array.from(parts);
    for (const size of [1, 7, 100, bytes.length]) {
      const decoder = new IscFrameDecoder();
      const out = [];
      for (let at = 0; at < bytes.length; at += size) {
        out.push(...decoder.push(bytes.slice(at, at + size)));
      }
      expect(out).toEqual(frames);
    }
  });

  it('are not made longer than the other side takes', () => {
    expect(() => encodeFrame({}, new Uint8Array(DATA_BYTES_MAX + 1))).toThrow('over the limit');
  });
});
