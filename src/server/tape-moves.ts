/**
 * Tapes that get another name, go to another vault, are erased or deleted: whole or not at all, whenever
 * the power fails.
 *
 * A process lock says what is being done; no host mounts the tape meanwhile. The new image is staged under
 * a name that cannot be mounted, the row changes, the staged image takes its place, and the old one goes.
 * The lock, which follows the row, tells the next start what is left to do.
 */
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { generation as toGeneration } from '../base/units.ts';
import type { Catalog, TapeRow } from '../ports/catalog.ts';
import type { LockRow } from '../ports/catalog-media.ts';
import type { Engine } from '../ports/engine.ts';
import type { ServerContext } from './context.ts';
import { moveOf, moveProcess, refuseShared } from './pending-moves.ts';
import type { Move } from './pending-moves.ts';
import type { SettledMoves } from './shared-moves.ts';
import { makeImage, stageCopies } from './tape-content.ts';
import type { Vaults } from './vaults.ts';
import { DELETING_SUFFIX, MOVING_SUFFIX, contentOf, removeIfThere } from './vaults.ts';

/** The process that locks a tape while it gets another name; behind it, the old one. */
const RENAMING = 'rename from ';

/** The process that locks a tape while it is erased. */
const ERASING = 'erasure';

interface Places {
  readonly context: ServerContext;
  readonly vaults: Vaults;
  readonly busyTapes: ReadonlySet<string>;
}

/** Rejects IN_USE where the tape is mounted. */
export function refuseBusy(busyTapes: ReadonlySet<string>, name: string): void {
  if (busyTapes.has(name)) {
    throw new CapstanError('IN_USE', { kind: 'tape', name, by: 'it is mounted' });
  }
}

/** Has what `engine` holds of a tape under its new name; within a decision. */
export async function renameContent(
  { context, vaults }: Places,
  tape: TapeRow,
  newName: string,
  stage: (engine: Engine, staged: string) => Promise<void>,
): Promise<TapeRow> {
  const { catalog, clock } = context.ports;
  const engine = vaults.engine(tape.vault);
  const staged = `${newName}${MOVING_SUFFIX}`;
  const process = `${RENAMING}${tape.name}`;
  await removeIfThere(engine, staged);
  try {
    await stage(engine, staged);
    await catalog.takeLock({
      tape: tape.name,
      pool: undefined,
      process,
      sinceMs: clock.nowMs(),
      reason: `it becomes ${newName}`,
    });
    await catalog.renameTape(tape.name, newName, clock.nowMs());
  } catch (error) {
    await removeIfThere(engine, staged);
    await catalog.releaseLock({ tape: tape.name }, process);
    throw error;
  }
  await engine.publishImage(staged, newName);
  await removeIfThere(engine, tape.name);
  await catalog.releaseLock({ tape: newName }, process);
  const row = await catalog.findTape(newName);
  if (row === undefined) throw new CapstanError('NOT_FOUND', { kind: 'tape', name: newName });
  return row;
}

/**
 * Takes tapes to another vault. `record` changes the rows, within a decision, once the content of all of
 * them is there; `of` is what is locked meanwhile. IN_USE where one was mounted or written meanwhile.
 */
export async function moveContent(
  { context, vaults, busyTapes }: Places,
  move: {
    readonly tapes: readonly TapeRow[];
    readonly of: Pick<LockRow, 'tape' | 'pool'>;
    readonly to: string;
    /** Where a tape goes to; undefined where its pool goes with it. */
    readonly toPool?: string;
    readonly record: () => Promise<void>;
  },
): Promise<void> {
  const { catalog, clock } = context.ports;
  const [first] = move.tapes;
  if (first === undefined) {
    await context.decisions.run(move.record);
    return;
  }
  const vault = { from: first.vault, to: move.to };
  refuseShared(await catalog.listVaults(), vault, move.toPool === undefined ? 'pool' : 'tape');
  const hidden = move.tapes.find(({ name }) => context.keeping.leftOut(vault.to).has(name));
  if (hidden !== undefined) {
    const fields = { kind: 'tape', name: hidden.name, where: ` in the shared vault ${vault.to}` };
    throw new CapstanError('ALREADY_EXISTS', fields);
  }
  const [from, to] = [vaults.engine(vault.from), vaults.engine(vault.to)];
  const server = context.settings.serverName;
  const process = moveProcess({ server, ...vault, pool: move.toPool });
  const isLeavingShared = context.keeping.isKept(vault.from);
  const lockOf = move.of.tape === undefined ? { pool: move.of.pool ?? '' } : { tape: move.of.tape };
  await catalog.takeLock({
    ...move.of,
    process,
    sinceMs: clock.nowMs(),
    reason: `it goes to vault ${move.to}`,
  });
  let recorded = false;
  try {
    const names = move.tapes.map(({ name }) => name);
    await stageCopies({ from, to }, names, staging);
    await context.decisions.run(async () => {
      for (const tape of move.tapes) await refuseChanged(catalog, busyTapes, tape);
      // Whoever keeps the vault next finds it, and knows that what it stands for is nobody's.
      if (isLeavingShared) for (const { name } of move.tapes) await markDeleting(from, name);
      await move.record();
      recorded = true;
      for (const { name } of move.tapes) await arrive({ from, to }, name);
    });
  } catch (error) {
    // What is recorded is done: the lock stays, and the next start ends it.
    if (!recorded) {
      for (const { name } of move.tapes) {
        await removeIfThere(to, staging(name));
        if (isLeavingShared) await removeIfThere(from, deleting(name));
      }
      await catalog.releaseLock(lockOf, process);
    }
    throw error;
  }
  await catalog.releaseLock(lockOf, process);
}

const staging = (tape: string): string => `${tape}${MOVING_SUFFIX}`;
const deleting = (tape: string): string => `${tape}${DELETING_SUFFIX}`;

/** An image beside a tape's says that it is nobody's where there is no row of it. */
const markDeleting = (engine: Engine, tape: string): Promise<unknown> =>
  makeImage(engine, deleting(tape), { generation: toGeneration(0) });

async function refuseChanged(
  catalog: Catalog,
  busyTapes: ReadonlySet<string>,
  before: TapeRow,
): Promise<void> {
  const { name } = before;
  refuseBusy(busyTapes, name);
  const now = await catalog.findTape(name);
  if (now === undefined) throw new CapstanError('NOT_FOUND', { kind: 'tape', name });
  const { generation, pool, vault } = before;
  if (now.generation === generation && now.pool === pool && now.vault === vault) return;
  const by = 'it was written or moved meanwhile; move it again';
  throw new CapstanError('IN_USE', { kind: 'tape', name, by });
}

/** The staged image becomes the tape's, and the one in the other vault goes. */
async function arrive(
  { from, to }: { readonly from: Engine | undefined; readonly to: Engine },
  tape: string,
): Promise<void> {
  try {
    await to.publishImage(staging(tape), tape);
  } catch (error) {
    // It has arrived already: a crash came behind that.
    if (!isCapstanError(error, 'NOT_FOUND')) throw error;
  }
  if (from === undefined || from === to) return;
  await removeIfThere(from, tape);
  await removeIfThere(from, deleting(tape));
}

/** Puts an empty image in the place of a tape's and records it; within a decision. */
export async function eraseContent(
  context: ServerContext,
  vaults: Vaults,
  tape: TapeRow,
): Promise<void> {
  const { ballasts } = context;
  const { catalog, clock } = context.ports;
  const { name } = tape;
  const engine = vaults.engine(tape.vault);
  const generation = toGeneration(tape.generation + 1);
  const lock = {
    tape: name,
    pool: undefined,
    process: ERASING,
    sinceMs: clock.nowMs(),
    reason: 'its content is taken away',
  };
  try {
    await ballasts.rescue(() => makeImage(engine, staging(name), { generation }));
    await ballasts.rescue(() => catalog.takeLock(lock));
    await ballasts.rescue(() => engine.publishImage(staging(name), name));
  } catch (error) {
    // Where its turn had come all the same, the lock stays, and the next start ends it.
    const image = (await engine.listImages()).find((each) => each.name === name);
    if (image !== undefined && image.generation > tape.generation) throw error;
    await removeIfThere(engine, staging(name));
    await catalog.releaseLock({ tape: name }, ERASING);
    throw error;
  }
  await recordErasure(context, engine, tape);
  await ballasts.rescue(() => catalog.releaseLock({ tape: name }, ERASING));
}

/** Of an image that is empty already, where its row does not say so. */
async function recordErasure(context: ServerContext, engine: Engine, tape: TapeRow): Promise<void> {
  const { catalog, clock } = context.ports;
  const generation = toGeneration(tape.generation + 1);
  const { manifestDigest, payloadBytes } = await contentOf(engine, tape.name);
  const origin = context.settings.serverName;
  const atMs = clock.nowMs();
  const row = await context.ballasts.rescue(() =>
    catalog.recordErase(
      { tape: tape.name, generation, atMs, payloadBytes, manifestDigest, origin },
      context.eventLog.entry('CARTRIDGE_ERASED', { tape: tape.name, pool: tape.pool }),
    ),
  );
  context.emit({ kind: 'event-logged', row });
}

async function finishErasure(context: ServerContext, vaults: Vaults, tape: TapeRow): Promise<void> {
  const engine = vaults.engine(tape.vault);
  const image = (await engine.listImages()).find(({ name }) => name === tape.name);
  // The image's turn had not come: nothing was erased.
  if (image === undefined || image.generation <= tape.generation) return;
  await recordErasure(context, engine, tape);
}

/**
 * Removes a tape's row and then its image; within a decision. An image beside it says so before, and tells
 * the next start that what it finds without a row is nobody's.
 */
export async function deleteContent(
  context: ServerContext,
  vaults: Vaults,
  { name, vault }: TapeRow,
): Promise<void> {
  const engine = vaults.engine(vault);
  const { ballasts, ports } = context;
  const marker = deleting(name);
  await ballasts.rescue(() => markDeleting(engine, name));
  try {
    await ballasts.rescue(() => ports.catalog.deleteTape(name));
  } catch (error) {
    await removeIfThere(engine, marker);
    throw error;
  }
  await removeIfThere(engine, name);
  await removeIfThere(engine, marker);
}

/**
 * Start-up, before anything staged is thrown away: ends what a crash left in the middle; with `only`, of
 * that vault, which was closed until now, so that nothing of it is under way.
 */
export async function finishMoves(
  context: ServerContext,
  vaults: Vaults,
  only?: string,
): Promise<void> {
  const { catalog } = context.ports;
  const isAway = (vault: string): boolean =>
    vaults.closed.has(vault) || context.keeping.isElsewhere(vault);
  for (const lock of await catalog.listLocks()) {
    const { process, tape, pool } = lock;
    const tapes = (await catalog.listTapes()).filter(
      (each) => each.name === tape || (pool !== undefined && each.pool === pool),
    );
    // What lies in a vault that cannot be opened has to wait until it can.
    const places = new Set(tapes.map((each) => each.vault));
    const move = moveOf(process);
    const isOurs = move?.server === context.settings.serverName;
    if (move !== undefined && isOurs) places.add(move.from).add(move.to);
    if ([...places].some((vault) => isAway(vault))) continue;
    if (only !== undefined && !places.has(only)) continue;
    if (process.startsWith(RENAMING)) {
      const oldName = process.slice(RENAMING.length);
      const isFree = (await catalog.findTape(oldName)) === undefined;
      for (const each of tapes) if (isFree) await finishRename(vaults, each, oldName);
    } else if (move !== undefined) {
      for (const each of tapes) await finishMove(vaults, each, { ...move, isOurs });
    } else if (process === ERASING) {
      for (const each of tapes) await finishErasure(context, vaults, each);
    } else {
      continue;
    }
    await catalog.releaseLock(tape === undefined ? { pool: pool ?? '' } : { tape }, process);
  }
}

/** With the old name still on it, the row was not changed, and what is staged goes with the rest. */
async function finishRename(vaults: Vaults, tape: TapeRow, oldName: string): Promise<void> {
  const engine = vaults.engine(tape.vault);
  await arrive({ from: undefined, to: engine }, tape.name);
  await removeIfThere(engine, oldName);
}

/** Of a move of another server's, only what lies in the vault that both have. */
async function finishMove(
  vaults: Vaults,
  tape: TapeRow,
  { from, isOurs }: Move & { readonly isOurs: boolean },
): Promise<void> {
  if (tape.vault === from) return;
  const source = isOurs ? vaults.all.find(([vault]) => vault === from)?.[1] : undefined;
  await arrive({ from: source, to: vaults.engine(tape.vault) }, tape.name);
}

/**
 * A shared vault is kept by another server, which says that it has the tapes `arrived`, has not those that
 * `stayed`, and those `departed` no more: what of their moves was left to do here is done.
 */
export async function finishSharedMoves(
  context: ServerContext,
  vaults: Vaults,
  { arrived, stayed, departed }: SettledMoves,
): Promise<void> {
  const { catalog } = context.ports;
  for (const { name, from } of arrived) {
    const source = vaults.all.find(([vault]) => vault === from)?.[1];
    if (source !== undefined) await removeIfThere(source, name);
  }
  for (const { name, process } of stayed) await catalog.releaseLock({ tape: name }, process);
  for (const { name, process, to } of departed) {
    await arrive({ from: undefined, to: vaults.engine(to) }, name);
    await catalog.releaseLock({ tape: name }, process);
  }
}
