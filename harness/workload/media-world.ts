/**
 * A world of media: one server with two vaults on one simulated disk, and what a model of a few lines says
 * of its tapes and pools. A command may be killed in a call of a port, followed by a power cut; then the
 * state must be that before the command or that after it.
 */
import { isCapstanError } from '../../src/base/errors.ts';
import type { VerifyReport } from '../../src/ports/engine.ts';
import { hold } from '../checker/violation.ts';
import type { Sabotage } from '../world/simulated-server.ts';
import type { World } from '../world/world.ts';
import { Yard } from '../world/yard.ts';

interface ModelTape {
  readonly pool: string;
  readonly generation: number;
  /** What hosts wrote since it was made or erased: the byte at which each block begins. */
  readonly written: readonly number[];
  readonly erased: boolean;
  readonly user: boolean;
  readonly autoload: boolean;
}

interface ModelPool {
  readonly vault: string;
  readonly locked: boolean;
}

export interface MediaModel {
  readonly tapes: Readonly<Record<string, ModelTape>>;
  readonly pools: Readonly<Record<string, ModelPool>>;
}

const FRESH: ModelTape = {
  pool: 'POOL1',
  generation: 0,
  written: [],
  erased: false,
  user: false,
  autoload: false,
};
const START: MediaModel = {
  tapes: { LAB001: FRESH, LAB002: FRESH },
  pools: {
    POOL1: { vault: 'VAULT00', locked: false },
    POOL2: { vault: 'VAULT00', locked: false },
    FAR: { vault: 'VAULT01', locked: false },
  },
};

/** Between two operations. */
const STEP_MS = 1000;
/** Operations that change a tape. */
const CHANGES: readonly string[] = ['tape.rename', 'tape.move', 'tape.erase'];

/** The parameters of the operations, as far as the model knows them. */
export interface MediaParameters {
  readonly name: string;
  readonly pool?: string;
  readonly vault?: string;
  readonly newName?: string;
  readonly kind?: 'user' | 'autoload';
  readonly keepLabel?: boolean;
}

/** The model after an operation; undefined where it is refused. */
function afterOperation(
  model: MediaModel,
  operation: string,
  parameters: MediaParameters,
): MediaModel | undefined {
  const { tapes, pools } = model;
  const { name, pool = '', newName = '', kind = 'user' } = parameters;
  const tape = tapes[name];
  const set = (changes: Partial<ModelTape>): MediaModel | undefined =>
    tape && { ...model, tapes: { ...tapes, [name]: { ...tape, ...changes } } };
  const without = Object.fromEntries(Object.entries(tapes).filter(([each]) => each !== name));
  const locked =
    tape !== undefined && (tape.user || tape.autoload || pools[tape.pool]?.locked === true);
  switch (operation) {
    case 'tape.create':
      return tape ? undefined : { ...model, tapes: { ...tapes, [name]: { ...FRESH, pool } } };
    case 'tape.erase':
      if (tape === undefined || locked) return undefined;
      return tape.erased
        ? model
        : set({ generation: tape.generation + 1, written: [], erased: true });
    case 'tape.delete':
      return tape === undefined || locked ? undefined : { ...model, tapes: without };
    case 'tape.rename':
      if (tape === undefined || tapes[newName] !== undefined) return undefined;
      return { ...model, tapes: { ...without, [newName]: tape } };
    case 'tape.move':
      return tape?.pool === pool ? undefined : set({ pool });
    case 'tape.lock':
    case 'tape.unlock':
      return set({ [kind]: operation === 'tape.lock' });
    default:
      return afterPoolOperation(model, operation, parameters);
  }
}

function afterPoolOperation(
  model: MediaModel,
  operation: string,
  { name, vault = '' }: MediaParameters,
): MediaModel | undefined {
  const pool = model.pools[name];
  if (pool === undefined) return undefined;
  const change = (changes: Partial<ModelPool>): MediaModel => ({
    ...model,
    pools: { ...model.pools, [name]: { ...pool, ...changes } },
  });
  if (operation !== 'pool.move') return change({ locked: operation === 'pool.lock' });
  return pool.vault === vault ? undefined : change({ vault });
}

/** A line for each tape and pool, in one order. */
function linesOf({ tapes, pools }: MediaModel): readonly string[] {
  const tapeLines = Object.entries(tapes).map(([name, tape]) => {
    const { pool, generation, written, erased, user, autoload } = tape;
    const marks = Object.entries({ erased, user, autoload }).flatMap(([mark, is]) =>
      is ? [`, ${mark}`] : [],
    );
    return `${name} in ${pool}, generation ${generation}, [${written.join(' ')}]${marks.join('')}`;
  });
  const poolLines = Object.entries(pools).map(
    ([name, { vault, locked }]) => `${name} in ${vault}${locked ? ', locked' : ''}`,
  );
  return [...tapeLines, ...poolLines].toSorted();
}

/** What is there and should not be, and what should be there and is not; undefined where that is nothing. */
function difference(found: MediaModel, expected: MediaModel): string | undefined {
  const [left, right] = [linesOf(found), linesOf(expected)];
  const surplus = left.filter((line) => !right.includes(line));
  const missing = right.filter((line) => !left.includes(line));
  if (surplus.length === 0 && missing.length === 0) return undefined;
  return `there is ${surplus.join('; ') || 'nothing'}, and not ${missing.join('; ') || 'nothing'}`;
}

export class MediaWorld {
  readonly executed: string[] = [];
  readonly #yard: Yard;
  #model = START;

  private constructor(yard: Yard) {
    this.#yard = yard;
  }

  static async start(seed: number, sabotage: Sabotage | undefined): Promise<MediaWorld> {
    const yard = await Yard.start({ sabotage, seed });
    return new MediaWorld(yard);
  }

  get world(): World {
    return this.#yard.world;
  }

  has(tape: string): boolean {
    return this.#model.tapes[tape] !== undefined;
  }

  /** A host appends a block; that is the harness's own doing, past the server. */
  async write(name: string, byte: number): Promise<void> {
    const tape = this.#model.tapes[name];
    if (tape === undefined) return;
    await this.#yard.write(name, byte, 1_000);
    const { generation, written } = tape;
    const after = {
      ...tape,
      generation: generation + 1,
      written: [...written, byte],
      erased: false,
    };
    this.#model = { ...this.#model, tapes: { ...this.#model.tapes, [name]: after } };
  }

  /** An operation; `cut`: how many calls of ports are let through before the process is killed. */
  async operate(
    operation: string,
    parameters: MediaParameters,
    cut: number | undefined,
  ): Promise<void> {
    const after = afterOperation(this.#model, operation, parameters);
    await this.world.advance(STEP_MS);
    if (cut === undefined) {
      const done = await this.#call(operation, parameters);
      const { name } = parameters;
      hold(
        done === (after !== undefined),
        () => `${operation} ${name} ${done ? 'is done' : 'is refused'}`,
      );
      if (done && after !== this.#model) await this.#checkTime(operation, parameters);
      this.#model = after ?? this.#model;
      return;
    }
    this.#yard.callsLeft = cut;
    await this.#call(operation, parameters).catch(() => undefined);
    await this.#yard.powerCut();
    const now = await this.#observed();
    const differences = [this.#model, after ?? this.#model].map((model) => difference(now, model));
    hold(differences.includes(undefined), () => `after a power cut ${differences.join(', or ')}`);
    this.#model = now;
  }

  /** What changed a tape left the time of the change with it. */
  async #checkTime(operation: string, { name, newName }: MediaParameters): Promise<void> {
    if (!CHANGES.includes(operation)) return;
    const row = await this.#yard.catalog.findTape(newName ?? name);
    hold(row?.updatedAtMs === this.#yard.nowMs, () => `${operation} ${name} has left no time`);
  }

  /** Whether it was done; false where it was refused. */
  async #call(operation: string, parameters: MediaParameters): Promise<boolean> {
    try {
      await this.#yard.call(operation, parameters);
      return true;
    } catch (error) {
      if (!isCapstanError(error)) throw error;
      return false;
    }
  }

  /** Throws InvariantViolation where the server has something else than the model says. */
  async check(): Promise<void> {
    const wrong = difference(await this.#observed(), this.#model);
    hold(wrong === undefined, () => wrong ?? '');
  }

  async finish(): Promise<void> {
    const { damages } = (await this.#yard.call('tape.verify')) as VerifyReport;
    hold(damages.length === 0, () => `the store is damaged: ${damages[0]?.place}`);
  }

  /** What the server has, in the model's terms. */
  async #observed(): Promise<MediaModel> {
    const yard = this.#yard;
    const tapes: Record<string, ModelTape> = {};
    const images = new Map(await yard.images());
    for (const row of await yard.catalog.listTapes()) {
      const { name, vault, generation, payloadBytes } = row;
      const image = images.get(`${vault}/${name}`);
      hold(image?.generation === generation, () => `${name} has not the image that its row says`);
      const size = image.partitions.reduce((sum, each) => sum + each.payloadBytes, 0);
      hold(size === payloadBytes, () => `${name} has ${size} bytes, its row says ${payloadBytes}`);
      tapes[name] = {
        pool: row.pool,
        generation,
        written: await yard.written(vault, name),
        erased: payloadBytes === 0 && row.erasedAtMs !== undefined,
        user: row.userLocked,
        autoload: row.autoloadLocked,
      };
      images.delete(`${vault}/${name}`);
    }
    const [left] = images.keys();
    hold(left === undefined, () => `the image ${left} has no tape`);
    const [lock] = await yard.catalog.listLocks();
    hold(lock === undefined, () => `a process lock is left on ${lock?.tape}`);
    const rows = await yard.catalog.listPools();
    const pools = rows.map(({ name, vault, locked }) => [name, { vault, locked }] as const);
    return { tapes, pools: Object.fromEntries(pools) };
  }
}
