/**
 * Healing: a tape's damaged chunks come again from another store, the tape then refers to what is whole,
 * and what is left of the damage goes.
 *
 * A chunk is named by the digest of its content, so it does not matter what it belongs to elsewhere, nor
 * how it is stored there. A peer heals by sending the tape again: see {@link TapeReceiver}.
 */
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { checkName } from '../base/names.ts';
import type { TapeRow } from '../ports/catalog.ts';
import { DIGEST_BYTES } from '../ports/engine.ts';
import type { Engine, VerifyReport } from '../ports/engine.ts';
import { ofThem } from './tape-content.ts';
import { refuseBusy } from './tape-moves.ts';
import { tapeOf } from './tapes.ts';
import type { TapeServices } from './tapes.ts';
import { REPAIR_SUFFIX, removeIfThere } from './vaults.ts';

export interface RepairParameters {
  readonly name: string;
  /** Another vault of this server. */
  readonly fromVault?: string | undefined;
  /** The folder of a store that no server has open for writing, or one that has: it is only read. */
  readonly fromStore?: string | undefined;
}

export interface RepairReport extends VerifyReport {
  /** Of the chunks that the tape is made of: found damaged, with no other copy in its vault. */
  readonly damagedChunkCount: number;
  /** Of these, those that came from the source, and those that nobody had. */
  readonly healedChunkCount: number;
  readonly lackingChunkCount: number;
}

/**
 * Heals a tape that is not mounted, as far as the source has what it lacks; without a source, from other
 * copies in its own vault. The report is of the tape as it is afterwards. Rejects NOT_FOUND, IN_USE,
 * INVALID_ARGUMENT, and STORE_CORRUPT where the tape's image cannot be read: a peer that sends the tape
 * again heals that, too.
 */
export async function repairTape(
  services: TapeServices,
  parameters: RepairParameters,
): Promise<RepairReport> {
  const { context, vaults, busyTapes } = services;
  const tape = await tapeOf(context, parameters.name);
  refuseBusy(busyTapes, tape.name);
  const engine = vaults.engine(tape.vault);
  const damaged = await engine.damagedChunks([tape.name]);
  const healedChunkCount = await withSource(services, tape, parameters, (source) =>
    heal(engine, source, damaged),
  );
  const lackingChunkCount = lacking(await engine.lackingChunks(damaged));
  if (lackingChunkCount === 0) await referAnew(services, engine, tape);
  const report = await engine.verify({ images: [tape.name] });
  const damagedChunkCount = damaged.length / DIGEST_BYTES;
  return { ...report, damagedChunkCount, healedChunkCount, lackingChunkCount };
}

const lacking = (flags: Uint8Array): number => flags.reduce((sum, flag) => sum + flag, 0);

/** What `work` makes of the source named; 0 where none is. */
async function withSource(
  { context, vaults }: TapeServices,
  tape: TapeRow,
  { fromVault, fromStore }: RepairParameters,
  work: (source: Engine) => Promise<number>,
): Promise<number> {
  if (fromVault !== undefined && fromStore !== undefined) {
    const reason = 'one source at a time: a vault or a store';
    throw new CapstanError('INVALID_ARGUMENT', { what: `The repair of ${tape.name}`, reason });
  }
  if (fromVault !== undefined) {
    if (checkName('vault', fromVault) !== tape.vault) return work(vaults.engine(fromVault));
    const reason = 'the tape lies in it';
    throw new CapstanError('INVALID_ARGUMENT', { what: `The source ${fromVault}`, reason });
  }
  if (fromStore === undefined) return 0;
  const row = { name: 'SOURCE', path: fromStore, createdAtMs: context.ports.clock.nowMs() };
  const source = await context.ports.openEngine(row, 'read').catch((error: unknown) => {
    if (!isCapstanError(error, 'NOT_FOUND')) throw error;
    throw new CapstanError('NOT_FOUND', { kind: 'store', name: fromStore }, { cause: error });
  });
  try {
    return await work(source);
  } finally {
    await source.close();
  }
}

/**
 * Takes from `source` what it has of the chunks. Either store may be damaged: parcels come one by one, and no
 * delta rests on what is here.
 */
async function heal(engine: Engine, source: Engine, digests: Uint8Array): Promise<number> {
  const has = ofThem(digests, await source.lackingChunks(digests), 0);
  const transfer = await source.openTransfer(has);
  for (;;) {
    try {
      const batch = await transfer.read({ bytesMax: 0 });
      if (batch === undefined) break;
      await engine.addParcels(batch.parcels);
    } catch (error) {
      // What is damaged there stays lacking here.
      if (!isCapstanError(error, 'STORE_CORRUPT', 'INVALID_ARGUMENT', 'NOT_FOUND')) throw error;
    }
  }
  const healed = has.length / DIGEST_BYTES - lacking(await engine.lackingChunks(has));
  if (healed > 0) await engine.sync();
  return healed;
}

/** Has the image refer to the whole copies of its chunks, and then gives up what is damaged. */
async function referAnew(
  { context, busyTapes }: TapeServices,
  engine: Engine,
  tape: TapeRow,
): Promise<void> {
  const { name, generation } = tape;
  const staged = `${name}${REPAIR_SUFFIX}`;
  try {
    await engine.stageImage(staged, await engine.exportManifest(name), { generation });
    await engine.sync();
    await context.decisions.run(async () => {
      // A host may have had it meanwhile.
      refuseBusy(busyTapes, name);
      if ((await tapeOf(context, name)).generation !== generation) {
        throw new CapstanError('IN_USE', { kind: 'tape', name, by: 'it was written meanwhile' });
      }
      await engine.publishImage(staged, name);
    });
  } catch (error) {
    await removeIfThere(engine, staged);
    throw error;
  }
  await giveUpDamage(engine);
}

/** Moves what is whole away from where damage lies that nobody needs any more. */
export async function giveUpDamage(engine: Engine): Promise<void> {
  try {
    await engine.collect({ liveShareMin: 0 });
  } catch (error) {
    // Another image of the vault cannot be read: then nothing is given up, and verify says why.
    if (!isCapstanError(error, 'STORE_CORRUPT')) throw error;
  }
}
