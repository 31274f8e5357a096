/** An operator takes a tape out whose last blocks find no room. */
import { describe, expect, it } from 'vitest';
import { CapstanError } from '../../../src/base/errors.ts';
import { generation, logicalObjectNumber } from '../../../src/base/units.ts';
import { TapeOperations } from '../../../src/initiator/tape-operations.ts';
import type { TapeImage } from '../../../src/ports/engine.ts';
import { VirtualDrive } from '../../../src/server/virtual-drive.ts';

const FULL = new CapstanError('NO_SPACE', { path: '/vault' });
const NOTHING = { at: logicalObjectNumber(0), bytesBefore: 0, filemarksBefore: 0 };

interface Surroundings {
  readonly onUnload: () => Promise<void>;
  readonly rescue: <Value>(work: () => Promise<Value>) => Promise<Value>;
}

/** A drive with LAB001 in it, which lies in `image`. */
function driveWith(image: TapeImage, { onUnload, rescue }: Surroundings): VirtualDrive {
  const row = { name: 'VTD01', host: '\\LAB', device: '$TAPE0', serialNumber: 'VTD00001' };
  const drive = new VirtualDrive(row, onUnload, { rescue });
  drive.mount(image, generation(1), {
    partitionCount: 1,
    capacityBytes: 1_000_000,
    writeProtected: false,
    volume: 'LAB001',
  });
  return drive;
}

describe('a dismount by hand on a full disk', () => {
  it('gives up what the drive had in its memory, tells how much, and makes the rest durable', async () => {
    const calls: string[] = [];
    let hasRoom = false;
    const image = {
      append: () => Promise.reject(FULL),
      locate: () => Promise.resolve(NOTHING),
      sync: () => {
        calls.push(hasRoom ? 'synced' : 'no room');
        return hasRoom ? Promise.resolve() : Promise.reject(FULL);
      },
    } as unknown as TapeImage;
    const drive = driveWith(image, {
      onUnload: () => Promise.resolve(void calls.push('recorded')),
      rescue: async (work) => {
        try {
          return await work();
        } catch {
          hasRoom = true;
          return work();
        }
      },
    });
    const operations = new TapeOperations(drive);
    await operations.awaitReady();
    for (const byte of [1, 2]) {
      const written = await operations.writeBlock(new Uint8Array(100).fill(byte));
      expect(written.kind).toBe('done');
    }
    const lost = await drive.dismount('LAB001');
    expect(lost).toEqual({ lostObjectCount: 2, reason: FULL.message });
    expect(calls).toEqual(['no room', 'synced', 'recorded']);
  });

  it('is refused where something else than room is missing', async () => {
    const broken = new CapstanError('DISK_IO', { place: '/vault', what: 'EIO' });
    const image = {
      append: () => Promise.reject(broken),
      locate: () => Promise.resolve(NOTHING),
    } as unknown as TapeImage;
    const drive = driveWith(image, {
      onUnload: () => Promise.resolve(),
      rescue: (work) => work(),
    });
    const operations = new TapeOperations(drive);
    await operations.awaitReady();
    await operations.writeBlock(new Uint8Array(100));
    await expect(drive.dismount('LAB001')).rejects.toBe(broken);
    expect(drive.state.volume).toBe('LAB001');
  });
});
