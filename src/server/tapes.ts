/** What an operator does with tapes: makes them, deletes them, has them verified. */
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { checkName } from '../base/names.ts';
import { generation, logicalObjectNumber } from '../base/units.ts';
import type { TapeRow } from '../ports/catalog.ts';
import type { Damage, Engine, VerifyReport } from '../ports/engine.ts';
import { initialLabel } from '../tape/labels.ts';
import { packObjects } from '../tape/tape-object.ts';
import type { AutoCopy } from './autocopy.ts';
import type { ServerContext } from './context.ts';
import type { Vaults } from './vaults.ts';
import { removeIfThere } from './vaults.ts';

export interface TapeServices {
  readonly context: ServerContext;
  readonly vaults: Vaults;
  readonly autocopy: AutoCopy;
  /** Tapes that are mounted, or about to be. */
  readonly busyTapes: ReadonlySet<string>;
}

interface TapeParameters {
  readonly name: string;
  readonly pool: string;
  readonly labelType: TapeRow['labelType'];
  readonly capacityBytes: number;
}

/** Rejects NAME_INVALID, NOT_FOUND. */
export async function tapeOf(context: ServerContext, name: string): Promise<TapeRow> {
  const row = await context.ports.catalog.findTape(checkName('tape', name));
  if (row === undefined) throw new CapstanError('NOT_FOUND', { kind: 'tape', name });
  return row;
}

/** Image first, row second: a crash between leaves an image that the next create takes the place of. */
export async function createTape(
  { context, vaults }: TapeServices,
  parameters: TapeParameters,
): Promise<TapeRow> {
  const { catalog, clock } = context.ports;
  const { labelType, capacityBytes } = parameters;
  const name = checkName('tape', parameters.name);
  const wanted = checkName('pool', parameters.pool);
  const row = await context.decisions.run(async () => {
    const pool = (await catalog.listPools()).find((each) => each.name === wanted);
    if (pool === undefined) throw new CapstanError('NOT_FOUND', { kind: 'pool', name: wanted });
    const existing = await catalog.findTape(name);
    if (existing !== undefined) {
      const where = ` in pool ${existing.pool}`;
      throw new CapstanError('ALREADY_EXISTS', { kind: 'tape', name, where });
    }
    const engine = vaults.engine(pool.vault);
    await removeIfThere(engine, name);
    await engine.createImage(name, { partitionCount: 1 });
    return catalog.createTape({
      name,
      pool: pool.name,
      vault: pool.vault,
      labelType,
      capacityBytes,
      generation: generation(0),
      payloadBytes: labelType === 'unlabelled' ? 0 : await writeLabel(engine, name, labelType),
      createdAtMs: clock.nowMs(),
      writtenAtMs: undefined,
      mountedAtMs: undefined,
      dismountedAtMs: undefined,
      copiedFrom: undefined,
    });
  });
  await context.eventLog.log('CARTRIDGE_CREATED', { tape: name, pool: row.pool });
  return row;
}

const LABEL_TYPES = { ansi: 'ANSI', backup: 'BACKUP', ibm: 'IBM' } as const;

/** Writes what an initialised tape begins with; how many bytes of blocks that is. */
async function writeLabel(
  engine: Engine,
  volume: string,
  labelType: keyof typeof LABEL_TYPES,
): Promise<number> {
  const type = LABEL_TYPES[labelType];
  const label = packObjects(initialLabel({ volume, owner: '', type }));
  const image = await engine.openImage(volume, 'write');
  try {
    await image.append({ partition: 0, at: logicalObjectNumber(0), ...label });
    await image.sync({ generation: generation(0) });
  } finally {
    await image.close();
  }
  return label.data.length;
}

/** Row first, image second: a crash between leaves an image that start-up reports. */
export async function deleteTape(
  { context, vaults, autocopy, busyTapes }: TapeServices,
  { name }: { readonly name: string },
): Promise<{ readonly name: string; readonly pool: string }> {
  const { pool } = await context.decisions.run(async () => {
    const tape = await tapeOf(context, name);
    if (busyTapes.has(name)) {
      throw new CapstanError('IN_USE', { kind: 'tape', name, by: 'it is mounted' });
    }
    await context.ports.catalog.deleteTape(name);
    autocopy.endCopies((copy) => copy.tape === name);
    await removeIfThere(vaults.engine(tape.vault), name);
    return tape;
  });
  await context.eventLog.log('CARTRIDGE_DELETED', { tape: name, pool });
  return { name, pool };
}

/** Reads what a tape, or every vault, holds; what is damaged is in the report, with its place. */
export async function verifyTapes(
  { context, vaults }: TapeServices,
  { name }: { readonly name?: string | undefined },
): Promise<VerifyReport> {
  const onProgress = (doneBytes: number, totalBytes: number): void =>
    context.emit({ kind: 'verify-progress', doneBytes, totalBytes });
  if (name !== undefined) {
    const tape = await tapeOf(context, name);
    try {
      return await vaults.engine(tape.vault).verify({ images: [name], onProgress });
    } catch (error) {
      if (!isCapstanError(error, 'NOT_FOUND')) throw error;
      return { imageCount: 1, chunkCount: 0, bytesRead: 0, damages: [missingImage(name)] };
    }
  }
  const sum = { imageCount: 0, chunkCount: 0, bytesRead: 0 };
  const damages: Damage[] = [];
  const tapes = await context.ports.catalog.listTapes();
  for (const [vault, engine] of vaults.all) {
    const report = await engine.verify({ onProgress });
    sum.imageCount += report.imageCount;
    sum.chunkCount += report.chunkCount;
    sum.bytesRead += report.bytesRead;
    // A damaged image is not listed, and stands in the report already.
    const found = new Set((await engine.listImages()).map((image) => `images/${image.name}`));
    for (const { place } of report.damages) found.add(place.split(' ')[0] ?? '');
    const missing = tapes
      .filter((tape) => tape.vault === vault)
      .map((tape) => missingImage(tape.name))
      .filter((damage) => !found.has(damage.place));
    for (const { place, what } of [...report.damages, ...missing]) {
      damages.push({ place: `${vault}: ${place}`, what });
    }
  }
  return { ...sum, damages };
}

function missingImage(name: string): Damage {
  return { place: `images/${name}`, what: 'the image is missing' };
}
