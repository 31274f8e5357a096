import { describe, expect, it } from 'vitest';
import type { DuplexStream } from '../../../../src/ports/network.ts';
import { Life } from '../../../../harness/world/life.ts';
import { StoppingNetwork } from '../../../../harness/world/stopping-network.ts';
import { World } from '../../../../harness/world/world.ts';

const HERE = '10.0.0.1';
const AT = { address: '10.0.0.2', port: 23 };

async function listening() {
  const world = new World(1);
  const network = new StoppingNetwork(world.network.port(AT.address, new Life()));
  const accepted: DuplexStream[] = [];
  await network.listen(AT, (stream) => accepted.push(stream));
  const connect = async (): Promise<{ near: DuplexStream; far: DuplexStream }> => {
    const near = await world.finish(world.network.port(HERE, new Life()).connect(AT), 1000);
    const far = accepted.at(-1);
    if (far === undefined) throw new Error('nobody was connected');
    return { near, far };
  };
  return { world, network, connect };
}

describe('a network that stops', () => {
  it('sends what was left before the stop, nothing more, and leaves the connection as it is', async () => {
    const { world, network, connect } = await listening();
    const { near, far } = await connect();
    network.stopAfter(3);
    void far.write(new Uint8Array([1, 2]));
    void far.write(new Uint8Array([3, 4])).then(() => far.write(new Uint8Array([5])));
    expect(await world.finish(near.read(), 1000)).toEqual(new Uint8Array([1, 2]));
    expect(await world.finish(near.read(), 1000)).toEqual(new Uint8Array([3]));
    let more = 'nothing';
    near.read().then(
      () => (more = 'bytes'),
      () => (more = 'an error'),
    );
    await world.advance(3_600_000);
    expect(more).toBe('nothing');
  });

  it('lets connections that are made later be well, and takes a planned stop back', async () => {
    const { world, network, connect } = await listening();
    network.stopAfter(0);
    void (await connect()).far.write(new Uint8Array([1]));
    await world.advance(1000);
    const second = await connect();
    void second.far.write(new Uint8Array([2]));
    expect(await world.finish(second.near.read(), 1000)).toEqual(new Uint8Array([2]));
    network.stopAfter(0);
    network.cancelStop();
    void second.far.write(new Uint8Array([3]));
    expect(await world.finish(second.near.read(), 1000)).toEqual(new Uint8Array([3]));
  });
});
