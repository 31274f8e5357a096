/** East with a scheme of Instant DR to west, and what the tests of its services ask of both. */
import { generation, logicalObjectNumber } from '../../../src/base/units.ts';
import { packObjects } from '../../../src/tape/tape-object.ts';
import type {
  IdrResultRow,
  IdrRunRow,
  IdrSchemeRow,
} from '../../../src/ports/catalog-instant-dr.ts';
import type { Machine } from './bench.ts';
import { Bench, TARGET } from './bench.ts';

/** East as west's target. */
export const BACK_TARGET = { ...TARGET, server: 'east', address: '10.0.0.1' };
const HOUR_MS = 3_600_000;

export class DrBench {
  readonly bench: Bench;

  private constructor(bench: Bench) {
    this.bench = bench;
  }

  static async start(scheme: object = {}): Promise<DrBench> {
    const bench = await Bench.start();
    await bench.west.start();
    await bench.west.call('vault.create', { name: 'VAULT00', path: '/vault' });
    await bench.east.call('idr.create', {
      name: 'NIGHTLY',
      target: TARGET,
      sources: [{ pool: 'POOL1', targetPool: 'DR' }],
      ...scheme,
    });
    return new DrBench(bench);
  }

  /** Also makes west the standby for it, with a drive of its own. */
  static async startPair(): Promise<DrBench> {
    const pair = await DrBench.start();
    await pair.bench.west.call('pool.create', { name: 'DR', vault: 'VAULT00' });
    await pair.bench.west.call('idr.create', {
      name: 'NIGHTLY',
      role: 'standby',
      target: BACK_TARGET,
      sources: [{ pool: 'DR', targetPool: 'POOL1' }],
    });
    return pair;
  }

  get east(): Machine {
    return this.bench.east;
  }

  get west(): Machine {
    return this.bench.west;
  }

  /** Starts a run and lets time go by until it is over, or waits for its next attempt. */
  async run(on: Machine = this.east, operation = 'idr.dispatch'): Promise<IdrRunRow> {
    const { id } = (await on.call(operation, { name: 'NIGHTLY' })) as IdrRunRow;
    const over = async (): Promise<boolean> => (await this.find(id, on)).state !== 'running';
    for (let waitedMs = 0; !(await over()) && waitedMs < HOUR_MS; waitedMs += 1000) {
      await this.bench.world.advance(1000);
    }
    return this.find(id, on);
  }

  async find(id: number, on: Machine = this.east): Promise<IdrRunRow> {
    const run = await on.catalog.findIdrRun(id);
    if (run === undefined) throw new Error(`run ${id} is there`);
    return run;
  }

  /** `LAB001 copied`, `LAB002 skipped: it is mounted`. */
  async results(id: number, on: Machine = this.east): Promise<readonly string[]> {
    const text = ({ tape, outcome, reason }: IdrResultRow): string =>
      reason === undefined ? `${tape} ${outcome}` : `${tape} ${outcome}: ${reason}`;
    return (await on.catalog.listIdrResults(id)).map(text);
  }

  /** A run, and what it did with each tape. */
  async dispatch(on: Machine = this.east): Promise<readonly string[]> {
    return this.results((await this.run(on)).id, on);
  }

  async scheme(on: Machine = this.east): Promise<IdrSchemeRow | undefined> {
    return (await on.catalog.listIdrSchemes())[0];
  }

  /** Generation of a tape on a server. */
  async generation(tape: string, on: Machine): Promise<number | undefined> {
    return (await on.catalog.findTape(tape))?.generation;
  }

  /** A host on that server appends to a tape, as far as engine and catalog see it. */
  async write(on: Machine, tape: string, byte: number): Promise<void> {
    const { catalog, engine } = on;
    if ((await catalog.listDrives()).length === 0) {
      await on.call('drive.create', { name: 'VTD01', host: String.raw`\DR`, device: '$TAPE0' });
    }
    const row = await catalog.findTape(tape);
    const mount = await catalog.recordMount({
      tape,
      drive: 'VTD01',
      host: String.raw`\DR`,
      requestNumber: undefined,
      ring: true,
      mountedAtMs: 0,
    });
    const next = generation((row?.generation ?? 0) + 1);
    const append = async (): Promise<string> => {
      const image = await engine.openImage(tape, 'write');
      const at = logicalObjectNumber((await image.info()).partitions[0]?.objectCount ?? 0);
      const data = new Uint8Array(3000).fill(byte);
      await image.append({ partition: 0, at, ...packObjects([{ kind: 'block', data }]) });
      await image.sync({ generation: next });
      await image.close();
      const { digest } = await engine.readManifest(await engine.exportManifest(tape));
      return Buffer.from(digest).toString('hex');
    };
    const manifestDigest = await this.bench.finish(append());
    const content = { generation: next, payloadBytes: 3000, manifestDigest };
    const record = { mountId: mount.id, atMs: 0, content, queueRuleIds: [] };
    await catalog.recordDismount({ ...record, state: 'dismounted' });
  }
}
