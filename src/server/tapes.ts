/** What an operator does with tapes: makes them, deletes them, has them verified. */
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { checkName } from '../base/names.ts';
import { generation } from '../base/units.ts';
import type { NewTape, PoolRow, TapeRow } from '../ports/catalog.ts';
import type { Damage, VerifyReport } from '../ports/engine.ts';
import type { AutoCopy } from './autocopy.ts';
import type { ServerContext } from './context.ts';
import type { Copies } from './copies.ts';
import { labelOf, makeImage } from './tape-content.ts';
import { refuseLocked } from './tape-locks.ts';
import { deleteContent, refuseBusy } from './tape-moves.ts';
import type { Vaults } from './vaults.ts';

export interface TapeServices {
  readonly context: ServerContext;
  readonly vaults: Vaults;
  readonly copies: Copies;
  readonly autocopy: AutoCopy;
  /** Tapes that are mounted, or about to be, and whose content is about to change. */
  readonly busyTapes: Set<string>;
}

export interface TapeParameters {
  readonly name: string;
  readonly pool: string;
  readonly labelType: TapeRow['labelType'];
  readonly capacityBytes: number;
  /** Owner of the volume, for its label. */
  readonly owner: string;
}

/** Rejects NAME_INVALID, NOT_FOUND. */
export async function tapeOf(context: ServerContext, name: string): Promise<TapeRow> {
  const row = await context.ports.catalog.findTape(checkName('tape', name));
  if (row === undefined) throw new CapstanError('NOT_FOUND', { kind: 'tape', name });
  return row;
}

/** Rejects NAME_INVALID, NOT_FOUND. */
export async function poolOf(context: ServerContext, name: string): Promise<PoolRow> {
  checkName('pool', name);
  const row = (await context.ports.catalog.listPools()).find((each) => each.name === name);
  if (row === undefined) throw new CapstanError('NOT_FOUND', { kind: 'pool', name });
  return row;
}

/** Image first, row second: of what a crash leaves between nothing is lost, and start-up removes it. */
export async function createTape(
  { context, vaults }: TapeServices,
  parameters: TapeParameters,
): Promise<TapeRow> {
  const { catalog } = context.ports;
  const name = checkName('tape', parameters.name);
  const row = await context.decisions.run(async () => {
    const pool = await poolOf(context, parameters.pool);
    const existing = await catalog.findTape(name);
    if (existing !== undefined) throw tapeExists(existing);
    return catalog.createTape(await makeTape(context, vaults, pool, parameters));
  });
  await context.eventLog.log('CARTRIDGE_CREATED', { tape: name, pool: row.pool });
  return row;
}

/** Makes the image of a tape that is to be; its row. */
async function makeTape(
  context: ServerContext,
  vaults: Vaults,
  pool: PoolRow,
  parameters: TapeParameters,
): Promise<NewTape> {
  const { name, labelType, capacityBytes, owner } = parameters;
  const objects = labelOf(parameters);
  await makeImage(vaults.engine(pool.vault), name, { objects, generation: generation(0) });
  return {
    name,
    pool: pool.name,
    vault: pool.vault,
    labelType,
    owner,
    capacityBytes,
    generation: generation(0),
    payloadBytes: objects.data.length,
    createdAtMs: context.ports.clock.nowMs(),
    writtenAtMs: undefined,
    mountedAtMs: undefined,
    dismountedAtMs: undefined,
    copiedFrom: undefined,
  };
}

function tapeExists(tape: TapeRow): CapstanError {
  const where = ` in pool ${tape.pool}`;
  return new CapstanError('ALREADY_EXISTS', { kind: 'tape', name: tape.name, where });
}

export interface RangeParameters extends Omit<TapeParameters, 'name'> {
  readonly first: string;
  readonly last: string;
  /** What is there in the pool already is passed over, so that a range that broke off can be ended. */
  readonly skipExisting: boolean;
}

export interface RangeReport {
  readonly first: string;
  readonly last: string;
  readonly pool: string;
  readonly createdCount: number;
  readonly skippedCount: number;
}

/**
 * Makes tapes from one name to another. Nothing is made where one of the names is taken; what else
 * fails (a full disk) leaves the tapes made so far, and `skipExisting` makes the rest.
 */
export async function createTapeRange(
  { context, vaults }: TapeServices,
  parameters: RangeParameters,
): Promise<RangeReport> {
  const { catalog } = context.ports;
  const { first, last, skipExisting } = parameters;
  const names = tapeNames(first, last);
  const pool = await poolOf(context, parameters.pool);
  const present = new Map((await catalog.listTapes()).map((tape) => [tape.name, tape]));
  const wanted: string[] = [];
  for (const name of names) {
    const tape = present.get(name);
    if (tape === undefined) wanted.push(name);
    else if (!skipExisting || tape.pool !== pool.name) throw tapeExists(tape);
  }
  for (let start = 0; start < wanted.length; start += BATCH_TAPE_COUNT) {
    const batch = wanted.slice(start, start + BATCH_TAPE_COUNT);
    // Between two batches a host's mount has its turn.
    await context.decisions.run(async () => {
      const now = await poolOf(context, pool.name);
      const taken = await Promise.all(batch.map((name) => catalog.findTape(name)));
      for (const tape of taken) if (tape !== undefined) throw tapeExists(tape);
      await catalog.createTapes(
        await Promise.all(
          batch.map((name) => makeTape(context, vaults, now, { ...parameters, name })),
        ),
      );
    });
  }
  const createdCount = wanted.length;
  if (createdCount > 0) {
    const fields = { count: createdCount, first, last, pool: pool.name };
    await context.eventLog.log('CARTRIDGES_CREATED', fields);
  }
  const skippedCount = names.length - createdCount;
  return { first, last, pool: pool.name, createdCount, skippedCount };
}

/** Tapes that are made in one transaction, and most that are made at once. */
const BATCH_TAPE_COUNT = 50;
export const RANGE_TAPE_COUNT_MAX = 10_000;

/**
 * The names from `LAB000` to `LAB999`: the same letters in front and as many digits behind, counted up.
 * Throws NAME_INVALID, INVALID_ARGUMENT, LIMIT_EXCEEDED.
 */
export function tapeNames(first: string, last: string): readonly string[] {
  checkName('tape', first);
  checkName('tape', last);
  const what = `The range ${first} to ${last}`;
  const digits = /\d*$/.exec(first)?.[0] ?? '';
  const head = first.slice(0, first.length - digits.length);
  const lastDigits = last.slice(head.length);
  if (digits === '' || last.length !== first.length || !last.startsWith(head)) {
    const reason = 'both names begin alike and end in as many digits, as LAB000 and LAB999';
    throw new CapstanError('INVALID_ARGUMENT', { what, reason });
  }
  const [from, to] = [Number(digits), /^\d+$/.test(lastDigits) ? Number(lastDigits) : -1];
  if (to < from) {
    const reason = 'the second name does not come behind the first';
    throw new CapstanError('INVALID_ARGUMENT', { what, reason });
  }
  const count = to - from + 1;
  if (count > RANGE_TAPE_COUNT_MAX) {
    const fields = { what, value: `${count} tapes`, limit: RANGE_TAPE_COUNT_MAX };
    throw new CapstanError('LIMIT_EXCEEDED', fields);
  }
  return Array.from(
    { length: count },
    (_, index) => head + String(from + index).padStart(digits.length, '0'),
  );
}

/** Takes a tape and all that is kept about it away. Rejects NOT_FOUND, IN_USE, TAPE_LOCKED. */
export async function deleteTape(
  { context, vaults, autocopy, busyTapes }: TapeServices,
  { name }: { readonly name: string },
): Promise<{ readonly name: string; readonly pool: string }> {
  const { pool } = await context.decisions.run(async () => {
    const tape = await tapeOf(context, name);
    refuseBusy(busyTapes, name);
    await refuseLocked(context.ports.catalog, tape, 'deleted');
    autocopy.endCopies((copy) => copy.tape === name);
    await deleteContent(context, vaults, tape);
    return tape;
  });
  const { ballasts, eventLog } = context;
  await ballasts.rescue(() => eventLog.log('CARTRIDGE_DELETED', { tape: name, pool }));
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
  for (const [vault, reason] of vaults.closed) damages.push({ place: vault, what: reason });
  return { ...sum, damages };
}

function missingImage(name: string): Damage {
  return { place: `images/${name}`, what: 'the image is missing' };
}
