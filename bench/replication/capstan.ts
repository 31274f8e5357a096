/** A tape and its next version, copied from one store to another by the product's own sender and receiver. */
import { join } from 'node:path';
import { equalBytes } from '../../src/base/bytes.ts';
import { generation, logicalObjectNumber } from '../../src/base/units.ts';
import { openEngine } from '../../src/platform/engine.ts';
import { systemClock } from '../../src/platform/system-clock.ts';
import type { CopyReceiver } from '../../src/ports/copy-receiver.ts';
import type { Engine } from '../../src/ports/engine.ts';
import { receiveCopies } from '../../src/replication/receiver.ts';
import { sendTape } from '../../src/replication/sender.ts';
import type { SendResult } from '../../src/replication/sender.ts';
import { memoryStream } from './memory-stream.ts';
import { batchesOf } from './tapes.ts';
import type { Case, Record } from './tapes.ts';

const TAPE = 'LAB001';
const STALL_TIMEOUT_MS = 60_000;

/** Over what was there, as a host does that takes a tape again. */
async function write(engine: Engine, records: readonly Record[], version: number): Promise<void> {
  const image = await engine.openImage(TAPE, 'write');
  let at = 0;
  for (const batch of batchesOf(records)) {
    const append = { partition: 0, at: logicalObjectNumber(at), ...batch };
    at = (await image.append(append)).objectCount;
  }
  await image.sync({ generation: generation(version) });
  await image.close();
}

/** Has a tape's versions in an engine alone, where a server has a catalog. */
function receiverOf(engine: Engine): CopyReceiver {
  let newest = 0;
  return {
    offer: async (offer) =>
      offer.generation === newest
        ? { kind: 'present' }
        : {
            kind: 'accept',
            copy: {
              engine,
              olderImage: newest > 0 ? TAPE : undefined,
              commit: async (manifest) => {
                const staged = `${TAPE}.INCOMING`;
                await engine.stageImage(staged, manifest, { generation: offer.generation });
                await engine.sync();
                await engine.publishImage(staged, TAPE);
                newest = offer.generation;
              },
              abandon: () => Promise.resolve(),
            },
          },
  };
}

async function copy(source: Engine, receiver: CopyReceiver, version: number): Promise<SendResult> {
  const [near, far] = memoryStream();
  const common = { clock: systemClock, stallTimeoutMs: STALL_TIMEOUT_MS };
  const complaints: string[] = [];
  const receiving = receiveCopies({
    ...common,
    stream: far,
    receiver,
    serverName: 'target',
    log: (sentence) => complaints.push(sentence),
  });
  const result = await sendTape({
    ...common,
    stream: near,
    engine: source,
    sourceServer: 'source',
    offer: {
      image: TAPE,
      tape: TAPE,
      pool: 'DR',
      labelType: 'unlabelled',
      capacityBytes: 0,
      generation: generation(version),
    },
  });
  await receiving;
  if (complaints.length > 0) throw new Error(complaints.join('; '));
  return result;
}

export interface Copied {
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** By which the second version made the source's store grow. */
  readonly storedBytes: number;
  readonly wallMs: number;
}

/** What the second version costs where the receiver has the first; the stores lie below `folder`. */
export async function copySecond(tape: Case, folder: string): Promise<Copied> {
  const source = await openEngine(join(folder, 'source'), { mode: 'create' });
  const target = await openEngine(join(folder, 'target'), { mode: 'create' });
  try {
    await source.createImage(TAPE, { partitionCount: 1 });
    await write(source, tape.first, 1);
    const receiver = receiverOf(target);
    await copy(source, receiver, 1);
    const before = (await source.statistics()).storedBytes;
    const isNew = tape.second !== tape.first;
    if (isNew) await write(source, tape.second, 2);
    const { storedBytes } = await source.statistics();
    const startedAtMs = performance.now();
    const { bytesSent, bytesReceived } = await copy(source, receiver, isNew ? 2 : 1);
    const wallMs = performance.now() - startedAtMs;
    const manifests = await Promise.all([source.exportManifest(TAPE), target.exportManifest(TAPE)]);
    if (!equalBytes(...manifests)) throw new Error('The copy is another tape.');
    return {
      sentBytes: bytesSent,
      receivedBytes: bytesReceived,
      storedBytes: storedBytes - before,
      wallMs,
    };
  } finally {
    await source.close();
    await target.close();
  }
}
