/** A server with two vaults on one simulated disk, whose process can be killed in any call of a port. */
import { giveCatalogBack, takeCatalog } from './catalog-shelf.ts';
import { Life } from './life.ts';
import { decorate } from '../../src/base/decorate.ts';
import { simulatedCryptography } from './simulated-cryptography.ts';
import { SimulatedLogFiles } from './simulated-log-files.ts';
import { NO_PROGRAMS } from './simulated-server.ts';
import type { Sabotage } from './simulated-server.ts';
import { World } from './world.ts';
import { isCapstanError } from '../../src/base/errors.ts';
import type { CapstanError } from '../../src/base/errors.ts';
import { logicalObjectNumber } from '../../src/base/units.ts';
import type { Generation } from '../../src/base/units.ts';
import { SimulatedDisk, openSimulatedEngine } from '../../src/platform/engine.ts';
import type { Catalog } from '../../src/ports/catalog.ts';
import type { Engine, ImageInfo } from '../../src/ports/engine.ts';
import { TapeServer } from '../../src/server/tape-server.ts';
import { packObjects } from '../../src/tape/tape-object.ts';

const SETTINGS = {
  serverName: 'east',
  systemId: 'CAPSTAN',
  address: '10.0.0.1',
  hosts: [],
  offline: true,
};

export class Killed extends Error {
  override readonly name = 'Killed';
}

export interface YardOptions {
  readonly sabotage?: Sabotage | undefined;
  readonly seed?: number;
  /** What LAB002 has that LAB001 has not. */
  readonly second?: object;
}

export class Yard {
  readonly catalog: Catalog;
  readonly #disk: SimulatedDisk;
  readonly world: World;
  readonly #sabotage: Sabotage;
  engines = new Map<string, Engine>();
  server!: TapeServer;
  /** Calls of catalog and engines that are still let through. */
  callsLeft = Infinity;
  callCount = 0;

  private constructor({ sabotage = {}, seed = 1 }: YardOptions) {
    this.#sabotage = sabotage;
    this.#disk = new SimulatedDisk({ seed, profile: 'any' });
    this.world = new World(seed);
    const shelved = takeCatalog();
    this.catalog = shelved.catalog;
    this.world.onEnd(() => {
      this.callsLeft = 0;
      giveCatalogBack(shelved);
    });
  }

  /** VAULT00 with pools POOL1 and POOL2, VAULT01 with pool FAR; tapes LAB001 and LAB002 in POOL1. */
  static async start(options: YardOptions = {}): Promise<Yard> {
    const yard = new Yard(options);
    await yard.#serve();
    for (const name of ['VAULT00', 'VAULT01'])
      await yard.call('vault.create', { name, path: `/${name}` });
    await yard.call('pool.create', { name: 'POOL1', vault: 'VAULT00' });
    await yard.call('pool.create', { name: 'POOL2', vault: 'VAULT00' });
    await yard.call('pool.create', { name: 'FAR', vault: 'VAULT01' });
    await yard.call('tape.create', { name: 'LAB001', pool: 'POOL1' });
    await yard.call('tape.create', { name: 'LAB002', pool: 'POOL1', ...options.second });
    return yard;
  }

  async #serve(): Promise<void> {
    this.engines = new Map();
    this.callsLeft = Infinity;
    // A process that was killed calls nothing any more, whatever it still believes to do.
    const life = { ended: false };
    const guard = async (_: string, call: () => Promise<unknown>): Promise<unknown> => {
      if (life.ended || this.callsLeft <= 0) {
        life.ended = true;
        throw new Killed('the process was killed');
      }
      this.callsLeft -= 1;
      this.callCount += 1;
      return call();
    };
    this.server = await TapeServer.start(
      {
        clock: this.world.clock,
        cryptography: simulatedCryptography,
        random: this.world.random,
        network: this.world.network.port('10.0.0.1', { onEnd: () => () => undefined } as never),
        link: { connect: () => Promise.reject(new Error('nobody connects')) },
        catalog: decorate(
          this.#sabotage.catalog?.(this.catalog, this.nowMs) ?? this.catalog,
          guard,
        ),
        fileSystems: {
          usage: async (path) => ({ id: path, totalBytes: 1_000_000, freeBytes: 250_000 }),
        },
        processes: NO_PROGRAMS,
        logFiles: new SimulatedLogFiles().port(new Life()),
        openEngine: async (vault) => {
          const engine = await openSimulatedEngine(this.#disk, vault.path, { mode: 'create' });
          this.engines.set(vault.name, engine);
          return decorate(this.#sabotage.engine?.(engine) ?? engine, guard);
        },
      },
      SETTINGS,
    );
    this.server.onEvent((event) => this.world.trace.record(`east: ${JSON.stringify(event)}`));
  }

  /** Takes the power, gives it back, and starts another process. */
  async powerCut(): Promise<void> {
    this.callsLeft = 0;
    this.world.trace.record('east: killed (power-cut)');
    await this.server.operations.call('vault.list', {}).catch(() => undefined);
    this.#disk.powerCut();
    this.#disk.restart();
    await this.#serve();
  }

  call(name: string, parameters: object = {}): Promise<unknown> {
    return this.server.operations.call(name, parameters);
  }

  /** The error that it ends with. */
  async refusal(name: string, parameters: object): Promise<CapstanError> {
    try {
      await this.call(name, parameters);
    } catch (error) {
      if (isCapstanError(error)) return error;
      throw error;
    }
    throw new Error(`${name} is refused`);
  }

  get nowMs(): number {
    return this.world.clock.nowMs();
  }

  engine(vault: string): Engine {
    const engine = this.engines.get(vault);
    if (engine === undefined) throw new Error(`${vault} is open`);
    return engine;
  }

  /** As a host's mount with ring would: appends a block and records the content. */
  async write(name: string, byte: number, sizeBytes = 70_000): Promise<void> {
    const row = await this.catalog.findTape(name);
    if (row === undefined) throw new Error(`${name} is there`);
    const engine = this.engine(row.vault);
    const image = await engine.openImage(name, 'write');
    const { partitions } = await image.info();
    const block = packObjects([{ kind: 'block', data: new Uint8Array(sizeBytes).fill(byte) }]);
    const at = logicalObjectNumber(partitions[0]?.objectCount ?? 0);
    await image.append({ partition: 0, at, ...block });
    const generation = (row.generation + 1) as Generation;
    await image.sync({ generation });
    await image.close();
    const { digest, partitions: after } = await engine.readManifest(
      await engine.exportManifest(name),
    );
    await this.catalog.recordContent(
      {
        ...row,
        generation,
        payloadBytes: after[0]?.payloadBytes ?? 0,
        writtenAtMs: 1_000,
      },
      {
        tape: name,
        generation,
        atMs: 1_000,
        payloadBytes: after[0]?.payloadBytes ?? 0,
        manifestDigest: Buffer.from(digest).toString('hex'),
        origin: 'test',
      },
    );
  }

  /** The images of all vaults, as `VAULT00/LAB001`. */
  async images(): Promise<ReadonlyMap<string, ImageInfo>> {
    const images = new Map<string, ImageInfo>();
    for (const [vault, engine] of this.engines) {
      for (const image of await engine.listImages()) images.set(`${vault}/${image.name}`, image);
    }
    return images;
  }

  /** Hexadecimal. */
  async digest(vault: string, name: string): Promise<string> {
    const engine = this.engine(vault);
    const { digest } = await engine.readManifest(await engine.exportManifest(name));
    return Buffer.from(digest).toString('hex');
  }

  /** What {@link write} wrote: the first byte of each block behind the label. */
  async written(vault: string, name: string): Promise<readonly number[]> {
    const image = await this.engine(vault).openImage(name, 'read');
    const { partitions } = await image.info();
    const bytes: number[] = [];
    for (let at = 0; at < (partitions[0]?.objectCount ?? 0); at += 1) {
      const { lengths, data } = await image.read({
        partition: 0,
        at: logicalObjectNumber(at),
        direction: 'forward',
        countMax: 1,
        bytesMax: 1_000_000,
      });
      // Labels have 80 bytes, filemarks none.
      if ((lengths[0] ?? 0) > 80) bytes.push(data[0] ?? 0);
    }
    await image.close();
    return bytes;
  }

  async firstBlock(vault: string, name: string): Promise<Uint8Array> {
    const image = await this.engine(vault).openImage(name, 'read');
    const at = logicalObjectNumber(0);
    const read = await image.read({
      partition: 0,
      at,
      direction: 'forward',
      countMax: 1,
      bytesMax: 1_000_000,
    });
    await image.close();
    return read.data;
  }

  async events(): Promise<readonly string[]> {
    return (await this.catalog.listEvents({ limit: 1000 })).map((row) => row.text);
  }
}
