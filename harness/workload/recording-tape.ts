/** A mounted tape whose every operation is told to the tape's model. */
import type { TapeOperations, WriteOutcome } from '../../src/initiator/tape-operations.ts';
import type { MountedTape } from '../hosts/mount-request.ts';
import type { TapeModel } from '../model/tape-model.ts';
import { decorate } from '../../src/base/decorate.ts';

const isWritten = (outcome: WriteOutcome): boolean =>
  outcome.kind === 'done' || outcome.kind === 'early-warning';

/** Operations the model knows: writeBlock, writeFilemarks, rewind, spaceToEndOfData. */
export function recordingTape(tape: MountedTape, model: TapeModel): MountedTape {
  const operations: TapeOperations = decorate(
    tape.operations,
    async (method, call, [first, second]) => {
      if (method === 'writeBlock' && first instanceof Uint8Array) model.issueBlock(first);
      if (method === 'writeFilemarks' && typeof first === 'number') model.issueFilemarks(first);
      const outcome = await call();
      const good = isWritten(outcome as WriteOutcome);
      if (good && method === 'rewind') model.moveTo('beginning');
      if (good && method === 'spaceToEndOfData') model.moveTo('end-of-data');
      // Without IMMED, GOOD says that all of it survives a power cut.
      if (good && method === 'writeFilemarks' && second === undefined) model.synced();
      return outcome;
    },
  );
  return {
    ...tape,
    operations,
    unload: async () => {
      await tape.unload();
      model.synced();
    },
  };
}
