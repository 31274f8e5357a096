/** What an operator changes of tapes that are there: erased, renamed, moved, locked. */
import { CapstanError } from '../base/errors.ts';
import { checkName } from '../base/names.ts';
import type { TapeRow } from '../ports/catalog.ts';
import { labelOf, makeImage, stageCopies } from './tape-content.ts';
import { refuseLocked } from './tape-locks.ts';
import { eraseContent, moveContent, refuseBusy, renameContent } from './tape-moves.ts';
import { isErased } from './tape-state.ts';
import { poolOf, tapeOf } from './tapes.ts';
import type { TapeServices } from './tapes.ts';

/**
 * Takes a tape's content away and keeps its metadata; an erased tape stays as it is. The generation goes
 * on, so that no older copy takes the place of what was erased. Rejects NOT_FOUND, IN_USE, TAPE_LOCKED.
 *
 * @source VTS 6.04.04 p. 97: size 0, metadata kept; message 421013
 */
export async function eraseTape(
  { context, vaults, autocopy, busyTapes }: TapeServices,
  {
    name,
    check,
  }: {
    readonly name: string;
    /** Called with the row before anything is done; where it rejects, nothing is. */
    readonly check?: ((tape: TapeRow) => Promise<void>) | undefined;
  },
): Promise<TapeRow> {
  return context.decisions.run(async () => {
    const tape = await tapeOf(context, name);
    await check?.(tape);
    refuseBusy(busyTapes, name);
    await refuseLocked(context.ports.catalog, tape, 'erased');
    if (isErased(tape)) return tape;
    // A copy that began meanwhile would send the empty image under the generation that the row still has.
    busyTapes.add(name);
    try {
      autocopy.endCopies((copy) => copy.tape === name);
      await eraseContent(context, vaults, tape);
    } finally {
      busyTapes.delete(name);
      autocopy.wake();
    }
    return tapeOf(context, name);
  });
}

export interface RenameParameters {
  readonly name: string;
  readonly newName: string;
  /** A written tape keeps the label with the old name, which hosts will call a wrong tape. */
  readonly keepLabel: boolean;
}

/**
 * Gives a tape another name, with its generations, history and locks. A tape that holds nothing but its
 * label gets one with the new name; where a host has written it, its label is the host's own, and
 * renaming it is refused unless `keepLabel` says that this is meant.
 */
export async function renameTape(
  { context, vaults, autocopy, busyTapes }: TapeServices,
  { name, newName, keepLabel }: RenameParameters,
): Promise<TapeRow> {
  const { catalog } = context.ports;
  checkName('tape', newName);
  const renamed = await context.decisions.run(async () => {
    const tape = await tapeOf(context, name);
    const taken = await catalog.findTape(newName);
    if (taken !== undefined) {
      const where = ` in pool ${taken.pool}`;
      throw new CapstanError('ALREADY_EXISTS', { kind: 'tape', name: newName, where });
    }
    refuseBusy(busyTapes, name);
    await refuseLocked(catalog, tape, 'renamed');
    const isNew = tape.generation === 0 && tape.writtenAtMs === undefined;
    const hasLabel = tape.labelType !== 'unlabelled' && tape.payloadBytes > 0;
    if (hasLabel && !isNew && !keepLabel) {
      throw new CapstanError('INVALID_ARGUMENT', {
        what: `The new name of tape ${name}`,
        reason: `its label says ${name} and a host that asks for ${newName} would call it a wrong tape; \`--keep-label\` renames it all the same`,
      });
    }
    autocopy.endCopies((copy) => copy.tape === name);
    return renameContent({ context, vaults, busyTapes }, tape, newName, async (engine, staged) => {
      if (!isNew) {
        await stageCopies({ from: engine, to: engine }, [name], () => staged);
        return;
      }
      const objects = labelOf({ ...tape, name: newName });
      await makeImage(engine, staged, { objects, generation: tape.generation });
    });
  });
  autocopy.wake();
  await context.eventLog.log('CARTRIDGE_RENAMED', { tape: name, pool: renamed.pool, newName });
  return renamed;
}

/**
 * Puts a tape into another pool; where that lies in another vault, its content goes there first, whole or
 * not at all. Copies that the old pool owed are owed no more.
 */
export async function moveTape(
  { context, vaults, autocopy, busyTapes }: TapeServices,
  { name, pool }: { readonly name: string; readonly pool: string },
): Promise<TapeRow> {
  const { catalog, clock } = context.ports;
  const tape = await tapeOf(context, name);
  const target = await poolOf(context, pool);
  if (tape.pool === target.name) {
    const reason = 'it lies there already';
    throw new CapstanError('INVALID_ARGUMENT', { what: `Tape ${name} in pool ${pool}`, reason });
  }
  refuseBusy(busyTapes, name);
  await refuseLocked(catalog, tape, 'moved');
  const record = async (): Promise<void> => {
    refuseBusy(busyTapes, name);
    if ((await poolOf(context, pool)).vault !== target.vault) {
      throw new CapstanError('IN_USE', { kind: 'pool', name: pool, by: 'it was moved meanwhile' });
    }
    autocopy.endCopies((copy) => copy.tape === name);
    await catalog.moveTape(name, pool, clock.nowMs());
  };
  if (tape.vault === target.vault) {
    await context.decisions.run(record);
  } else {
    const of = { tape: name, pool: undefined };
    const move = { tapes: [tape], of, to: target.vault, toPool: pool, record };
    await moveContent({ context, vaults, busyTapes }, move);
  }
  const fields = { tape: name, from: tape.pool, pool, vault: target.vault };
  await context.eventLog.log('CARTRIDGE_MOVED', fields);
  return tapeOf(context, name);
}

export interface LockParameters {
  readonly name: string;
  /** The lock of a user, or the one that an autoloader sets. */
  readonly kind: 'user' | 'autoload';
  readonly locked: boolean;
}

/** Sets or lifts a lock; with an event where that changes anything. */
export async function lockTape(
  { context }: TapeServices,
  { name, kind, locked }: LockParameters,
): Promise<TapeRow> {
  const { catalog, clock } = context.ports;
  const field = kind === 'user' ? 'userLocked' : 'autoloadLocked';
  const { before, after } = await context.decisions.run(async () => {
    const tape = await tapeOf(context, name);
    if (tape[field] === locked) return { before: tape, after: tape };
    const changes = { [field]: locked, updatedAtMs: clock.nowMs() };
    return { before: tape, after: await catalog.updateTape(name, changes) };
  });
  if (before !== after) {
    const message = locked ? 'CARTRIDGE_LOCKED' : 'CARTRIDGE_UNLOCKED';
    await context.eventLog.log(message, { tape: name, kind });
  }
  return after;
}
