import { describe, expect, it } from 'vitest';
import { EngineModel } from '../../../harness/model/engine-model.ts';
import { ModelStore } from '../../../harness/model/model-store.ts';
import { simulatedCryptography } from '../../../harness/world/simulated-cryptography.ts';
import { Life } from '../../../harness/world/life.ts';
import { SimulatedLogFiles } from '../../../harness/world/simulated-log-files.ts';
import { NO_PROGRAMS } from '../../../harness/world/simulated-server.ts';
import { decorate } from '../../../src/base/decorate.ts';
import { World } from '../../../harness/world/world.ts';
import { generation } from '../../../src/base/units.ts';
import { CapstanError } from '../../../src/base/errors.ts';
import { openSimulatedEngine } from '../../../src/platform/engine.ts';
import { openCatalog } from '../../../src/catalog/sqlite-catalog.ts';
import type { Engine } from '../../../src/ports/engine.ts';
import { TapeServer } from '../../../src/server/tape-server.ts';
import { Bench, noSpace } from './bench.ts';

const found = async (bench: Bench): Promise<readonly string[]> => bench.east.log('420112');
const damaged = async (bench: Bench): Promise<readonly string[]> => bench.east.log('820110');

describe('making a vault', () => {
  it('is refused where its name or its path is taken', async () => {
    const bench = await Bench.start();
    for (const parameters of [
      { name: 'VAULT00', path: '/other' },
      { name: 'VAULT01', path: '/vault' },
    ]) {
      await expect(bench.east.call('vault.create', parameters)).rejects.toBeInstanceOf(
        CapstanError,
      );
    }
    expect(await bench.east.call('vault.list')).toHaveLength(1);
    await bench.backUp(1);
  });

  it('is refused where a store has tapes of another server', async () => {
    const { west } = await Bench.start();
    await west.start();
    const store = await openSimulatedEngine(west.disk, '/vault', { mode: 'create' });
    await store.createImage('OTHER1', { partitionCount: 1 });
    await store.close();
    const vault = { name: 'VAULT00', path: '/vault' };
    await expect(west.call('vault.create', vault)).rejects.toThrow(
      'The folder /vault of vault VAULT00 is refused: there is a store with tapes in it (OTHER1)',
    );
    expect(await west.call('vault.list')).toEqual([]);
  });

  it('that a crash or a full catalog broke off can be done again', async () => {
    const bench = await Bench.start();
    const { west } = bench;
    const vault = { name: 'VAULT00', path: '/vault' };
    await west.start();
    west.before = (call) => {
      if (call === 'catalog.createVault') throw noSpace();
    };
    await expect(west.call('vault.create', vault)).rejects.toMatchObject({ code: 'NO_SPACE' });
    west.before = (call) => (call === 'catalog.createVault' ? west.die() : undefined);
    void west.server.operations.call('vault.create', vault);
    await bench.world.advance(0);
    await west.restart();
    expect(await west.call('vault.list')).toEqual([]);
    expect(await west.call('vault.create', vault)).toMatchObject(vault);
    expect(await west.call('vault.show', { name: 'VAULT00' })).toMatchObject({ imageCount: 0 });
  });
});

describe('the start of a server', () => {
  it('lets a row follow its image, which a crash left ahead', async () => {
    const bench = await Bench.start();
    await bench.backUp(1);
    const image = await bench.finish(bench.east.engine.openImage('LAB001', 'write'));
    await bench.finish(image.truncate({ partition: 0, at: 0 as never }));
    await bench.finish(image.sync({ generation: generation(2) }));
    await bench.finish(image.close());
    await bench.east.restart();
    expect(await bench.east.catalog.findTape('LAB001')).toMatchObject({
      generation: 2,
      payloadBytes: 0,
      pool: 'POOL1',
    });
    expect((await bench.east.catalog.listGenerations('LAB001')).at(-1)).toMatchObject({
      generation: 2,
      origin: 'found',
    });
    expect(await found(bench)).toEqual([
      'Cartridge LAB001 was found at generation 2, the catalog had 1 and was corrected',
    ]);
    await bench.east.restart();
    expect(await found(bench)).toHaveLength(1);
  });

  it('reports an image that is missing, or older than its row, and leaves the row alone', async () => {
    const bench = await Bench.start();
    await bench.backUp(1);
    const image = await bench.finish(bench.east.engine.openImage('LAB001', 'write'));
    await bench.finish(image.sync({ generation: generation(0) }));
    await bench.finish(image.close());
    await bench.finish(bench.east.engine.removeImage('LAB002'));
    await bench.east.restart();
    expect(await damaged(bench)).toEqual([
      'Vault VAULT00 is damaged at images/LAB001: the image has generation 0, the catalog 1',
      'Vault VAULT00 is damaged at images/LAB002: the image is missing or damaged',
    ]);
    expect(await bench.east.catalog.findTape('LAB001')).toMatchObject({ generation: 1 });
  });

  it('keeps an image that no tape has, and removes what was being received', async () => {
    const bench = await Bench.start();
    await bench.finish(bench.east.engine.createImage('STRAY', { partitionCount: 1 }));
    const stray = await bench.finish(bench.east.engine.openImage('STRAY', 'write'));
    await bench.finish(stray.sync({ generation: generation(1) }));
    await bench.finish(stray.close());
    // Nothing is lost with what a crash left of a tape that was about to be made.
    await bench.finish(bench.east.engine.createImage('NEW001', { partitionCount: 1 }));
    await bench.finish(bench.east.engine.createImage('LAB001.INCOMING', { partitionCount: 1 }));
    await bench.east.restart();
    const images = await bench.finish(bench.east.engine.listImages());
    expect(images.map((image) => image.name)).toEqual(['LAB001', 'LAB002', 'STRAY']);
    expect(await damaged(bench)).toEqual([
      'Vault VAULT00 is damaged at images/STRAY: the image belongs to no cartridge of the catalog; it is kept',
    ]);
  });
});

describe('a server with two vaults', () => {
  const settings = { serverName: 'west', systemId: 'CAPSTAN', address: '10.0.0.2', hosts: [] };

  function portsOf(
    engines: ReadonlyMap<string, Engine>,
    fault = new CapstanError('DISK_IO', { place: '/', what: 'gone' }),
  ) {
    const world = new World(1);
    return {
      clock: world.clock,
      random: world.random,
      cryptography: simulatedCryptography,
      network: world.network.port('10.0.0.2', { onEnd: () => () => undefined } as never),
      link: { connect: () => Promise.reject(new Error('nobody connects')) },
      catalog: openCatalog(':memory:'),
      processes: NO_PROGRAMS,
      logFiles: new SimulatedLogFiles().port(new Life()),
      openEngine: async (vault: { readonly name: string }): Promise<Engine> => {
        const engine = engines.get(vault.name);
        if (engine === undefined) throw fault;
        return engine;
      },
    };
  }

  it('puts a pool that comes with a copy into the first by name, whenever it was made', async () => {
    const engines = new Map(
      ['NORTH', 'EAST'].map((name) => [name, new EngineModel(new ModelStore())] as const),
    );
    const server = await TapeServer.start(portsOf(engines), settings);
    for (const name of engines.keys()) {
      await server.operations.call('vault.create', { name, path: `/${name}` });
    }
    const answer = await server.receiver.offer({
      sourceServer: 'north',
      tape: 'LAB001',
      pool: 'DR',
      labelType: 'ansi',
      capacityBytes: 1_000,
      generation: generation(1),
      manifestBytes: 10,
      manifestDigest: new Uint8Array(32),
    });
    expect(answer.kind).toBe('accept');
    expect(await server.operations.call('pool.show', { name: 'DR' })).toMatchObject({
      vault: 'EAST',
    });
    await server.stop();
  });

  it.each([
    ['another process has one', 'STORE_LOCKED', { path: '/', holder: 'pid 7' }],
    ['a fault is none of a disk', 'INVALID_ARGUMENT', { what: '/', reason: 'the key is wrong' }],
  ] as const)('does not start where %s, and leaves none open', async (_, code, fields) => {
    let closed = 0;
    const engine = new EngineModel(new ModelStore());
    engine.close = async () => {
      closed += 1;
    };
    const ports = portsOf(new Map([['EAST', engine]]), new CapstanError(code, fields));
    for (const name of ['EAST', 'NORTH']) {
      await ports.catalog.createVault({ name, path: `/${name}`, createdAtMs: 0 });
    }
    await expect(TapeServer.start(ports, settings)).rejects.toMatchObject({ code });
    expect(closed).toBe(1);
    await ports.catalog.close();
  });

  it('says of one that is not there that its file system may not be mounted', async () => {
    const engines = new Map<string, Engine>([['EAST', new EngineModel(new ModelStore())]]);
    const ports = portsOf(engines, new CapstanError('NOT_FOUND', { kind: 'image', name: '/x' }));
    for (const name of ['EAST', 'NORTH']) {
      await ports.catalog.createVault({ name, path: `/${name}`, createdAtMs: 0 });
    }
    const server = await TapeServer.start(ports, settings);
    await expect(server.operations.call('vault.open', { name: 'NORTH' })).rejects.toThrow(
      'The disk failed at /NORTH: there is no store in this folder; its file system may not be mounted',
    );
    await server.stop();
  });

  it('does not start where none can be opened', async () => {
    const ports = portsOf(new Map());
    for (const name of ['EAST', 'NORTH']) {
      await ports.catalog.createVault({ name, path: `/${name}`, createdAtMs: 0 });
    }
    await expect(TapeServer.start(ports, settings)).rejects.toMatchObject({ code: 'DISK_IO' });
    await ports.catalog.close();
  });

  it('runs without one whose disk fails, says so, and opens it when it is well', async () => {
    const engines = new Map<string, Engine>([
      ['EAST', new EngineModel(new ModelStore())],
      ['NORTH', new EngineModel(new ModelStore())],
    ]);
    const ports = portsOf(engines);
    // The catalog outlives the first server.
    const lasting = {
      ...ports,
      catalog: decorate(ports.catalog, async (method, go) =>
        method === 'close' ? undefined : go(),
      ),
    };
    const first = await TapeServer.start(lasting, settings);
    for (const name of ['EAST', 'NORTH']) {
      await first.operations.call('vault.create', { name, path: `/${name}` });
      await first.operations.call('pool.create', { name: `P${name}`, vault: name });
      await first.operations.call('tape.create', { name: `T${name}`, pool: `P${name}` });
    }
    await first.stop();
    const north = engines.get('NORTH');
    engines.delete('NORTH');
    const server = await TapeServer.start(lasting, settings);
    const call = (method: string, parameters: object = {}): Promise<unknown> =>
      server.operations.call(method, parameters);
    expect(await call('vault.list')).toMatchObject([
      { name: 'EAST', state: 'open' },
      { name: 'NORTH', state: 'The disk failed at /: gone.' },
    ]);
    expect(await call('vault.show', { name: 'NORTH' })).toMatchObject({ tapeCount: 1 });
    await expect(call('tape.erase', { name: 'TNORTH' })).rejects.toMatchObject({
      code: 'VAULT_CLOSED',
      message: expect.stringContaining('capstan vault open NORTH'),
    });
    await call('tape.erase', { name: 'TEAST' });
    expect(await call('tape.verify')).toMatchObject({ damages: [{ place: 'NORTH' }] });
    const texts = (await ports.catalog.listEvents({ limit: 100 })).map((row) => row.text);
    expect(texts).toContain('Vault NORTH cannot be opened: The disk failed at /: gone.');
    await expect(call('vault.open', { name: 'NORTH' })).rejects.toMatchObject({ code: 'DISK_IO' });
    await expect(call('vault.create', { name: 'NORTH', path: '/x' })).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
    });
    if (north !== undefined) engines.set('NORTH', north);
    await call('vault.open', { name: 'NORTH' });
    await call('tape.erase', { name: 'TNORTH' });
    expect(await call('tape.verify')).toMatchObject({ damages: [] });
    await server.stop();
    await ports.catalog.close();
  });
});
