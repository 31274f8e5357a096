/** How content gets into an image: the label of a new or an erased tape, and all of another image. */
import { concatBytes } from '../base/bytes.ts';
import { isCapstanError } from '../base/errors.ts';
import { logicalObjectNumber, MIB, generation as toGeneration } from '../base/units.ts';
import type { Generation } from '../base/units.ts';
import type { TapeRow } from '../ports/catalog.ts';
import { DIGEST_BYTES } from '../ports/engine.ts';
import type { Engine } from '../ports/engine.ts';
import { LABEL_LENGTH, detectLabelType, initialLabel } from '../tape/labels.ts';
import { packObjects } from '../tape/tape-object.ts';
import type { ServerContext } from './context.ts';
import { isErased } from './tape-state.ts';
import type { Vaults } from './vaults.ts';
import { removeIfThere } from './vaults.ts';

/** How much of an image goes over at once. */
const TRANSFER_BYTES = 4 * MIB;

const VOLUME_LABELS = { ansi: 'ANSI', backup: 'BACKUP', ibm: 'IBM' } as const;

const ROW_LABELS = {
  ANSI: 'ansi',
  BACKUP: 'backup',
  IBM: 'ibm',
  OMITTED: 'unlabelled',
} as const satisfies Record<ReturnType<typeof detectLabelType>, TapeRow['labelType']>;

/** What a label is made of. */
export type Labelling = Pick<TapeRow, 'name' | 'labelType' | 'owner'>;

type PackedObjects = ReturnType<typeof packObjects>;

/** What a tape begins with: its label, or nothing. INVALID_ARGUMENT for an owner no label can hold. */
export function labelOf({ name, labelType, owner }: Labelling): PackedObjects {
  if (labelType === 'unlabelled') return packObjects([]);
  return packObjects(initialLabel({ volume: name, owner, type: VOLUME_LABELS[labelType] }));
}

/**
 * How a tape is labelled, by its first block: a host may have labelled it otherwise than it was made. What
 * the row says where the tape is empty or cannot be read just now.
 */
export async function labelTypeOnTape(
  vaults: Pick<Vaults, 'engine'>,
  tape: Pick<TapeRow, 'name' | 'vault' | 'labelType' | 'payloadBytes'>,
): Promise<TapeRow['labelType']> {
  if (tape.payloadBytes === 0) return tape.labelType;
  try {
    const image = await vaults.engine(tape.vault).openImage(tape.name, 'read');
    try {
      const at = logicalObjectNumber(0);
      const limits = { countMax: 1, bytesMax: LABEL_LENGTH };
      const read = await image.read({ partition: 0, at, direction: 'forward', ...limits });
      const first = read.data.subarray(0, read.lengths[0] ?? 0);
      return ROW_LABELS[detectLabelType(first)];
    } finally {
      await image.close();
    }
  } catch (error) {
    if (isCapstanError(error)) return tape.labelType;
    throw error;
  }
}

const NOTHING: PackedObjects = packObjects([]);

/** Makes an image that holds these objects, taking the place of what a crash may have left. */
export async function makeImage(
  engine: Engine,
  image: string,
  content: { readonly objects?: PackedObjects; readonly generation: Generation },
): Promise<void> {
  const { objects = NOTHING, generation } = content;
  await removeIfThere(engine, image);
  await engine.createImage(image, { partitionCount: 1 });
  // A new image is empty and of generation 0.
  if (objects.lengths.length > 0 || generation > 0) {
    await append(engine, image, { objects, generation });
  }
}

async function append(
  engine: Engine,
  image: string,
  { objects, generation }: { readonly objects: PackedObjects; readonly generation: Generation },
): Promise<void> {
  const opened = await engine.openImage(image, 'write');
  try {
    if (objects.lengths.length > 0) {
      await opened.append({ partition: 0, at: logicalObjectNumber(0), ...objects });
    }
    await opened.sync({ generation });
  } finally {
    await opened.close();
  }
}

/**
 * Makes an image in `to` out of each of `images` in `from`, under the name that `stagedAs` gives, durable,
 * of the same generation unless another is given. The stores may be the same.
 */
export async function stageCopies(
  { from, to }: { readonly from: Engine; readonly to: Engine },
  images: readonly string[],
  stagedAs: (image: string) => string,
  given?: Generation,
): Promise<void> {
  const generations = new Map(
    (await from.listImages()).map(({ name, generation }) => [name, generation]),
  );
  for (const image of images) {
    const manifest = await from.exportManifest(image);
    if (from !== to) await copyChunks(from, to, manifest);
    const generation = given ?? generations.get(image) ?? toGeneration(0);
    await to.stageImage(stagedAs(image), manifest, { generation });
  }
  await to.sync();
}

async function copyChunks(from: Engine, to: Engine, manifest: Uint8Array): Promise<void> {
  const { digests } = await from.readManifest(manifest);
  const lacking = ofThem(digests, await to.lackingChunks(digests), 1);
  const transfer = await from.openTransfer(lacking);
  transfer.useBases(await to.lackingChunks(transfer.bases));
  for (;;) {
    const batch = await transfer.read({ bytesMax: TRANSFER_BYTES });
    if (batch === undefined) return;
    await to.addParcels(batch.parcels);
  }
}

/** Those of `digests` that have the flag. */
export function ofThem(digests: Uint8Array, flags: Uint8Array, flag: number): Uint8Array {
  return concatBytes(
    [...flags.keys()]
      .filter((index) => flags[index] === flag)
      .map((index) => digests.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES)),
  );
}

/**
 * An erased tape is as a new one at its next mount with ring: its label is written again, as a generation
 * of its own, so that the host finds the volume that it asked for. Resolves with the row as it then is.
 * Runs within a decision, before the tape is opened.
 */
export async function labelErased(
  context: ServerContext,
  vaults: Vaults,
  tape: TapeRow,
): Promise<TapeRow> {
  if (!isErased(tape) || tape.labelType === 'unlabelled') return tape;
  const engine = vaults.engine(tape.vault);
  const generation = toGeneration(tape.generation + 1);
  await append(engine, tape.name, { objects: labelOf(tape), generation });
  await vaults.recordContent(engine, tape, generation, context.settings.serverName);
  context.eventLog.report('CARTRIDGE_LABELLED', { tape: tape.name, pool: tape.pool });
  return (await context.ports.catalog.findTape(tape.name)) ?? tape;
}
