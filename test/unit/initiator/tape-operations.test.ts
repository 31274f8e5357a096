import { describe, expect, it } from 'vitest';
import { TapeOperations } from '../../../src/initiator/tape-operations.ts';
import type { ScsiCommand } from '../../../src/ports/scsi-transport.ts';
import { describeTrouble } from '../../../src/initiator/outcome.ts';
import { SENSE, buildSense } from '../../../src/scsi/sense.ts';
import type { Sense } from '../../../src/scsi/sense.ts';
import { bench, block, emptyBench } from '../drive/bench.ts';

const NOTHING = new Uint8Array(0);

describe('tape operations', () => {
  it('write, read, space, locate and unload a tape', async () => {
    const { tape, drive, image } = bench();
    expect(await tape.writeBlock(block(80, 1))).toEqual({ kind: 'done' });
    expect(await tape.writeFilemarks(1)).toEqual({ kind: 'done' });
    expect(await tape.writeBlock(block(300, 2))).toEqual({ kind: 'done' });
    expect(await tape.writeFilemarks(2)).toEqual({ kind: 'done' });
    expect(await tape.rewind()).toEqual({ kind: 'done' });
    expect(await tape.readBlock(1000)).toEqual({
      kind: 'block',
      data: block(80, 1),
      residual: 920,
    });
    expect(await tape.readBlock(1000)).toMatchObject({ kind: 'filemark' });
    expect(await tape.space('blocks', 5)).toEqual({ kind: 'filemark', residual: 4 });
    expect(await tape.position()).toMatchObject({
      kind: 'answer',
      value: { logicalObjectNumber: 4, logicalFileIdentifier: 2, partition: 0 },
    });
    expect(await tape.space('filemarks', 3)).toEqual({ kind: 'end-of-data', residual: 2 });
    expect(await tape.space('filemarks', -9)).toEqual({
      kind: 'beginning-of-partition',
      residual: 6,
    });
    expect(await tape.locate(2)).toEqual({ kind: 'done' });
    expect(await tape.readBlock(100)).toEqual({
      kind: 'block',
      data: block(100, 2),
      residual: -200,
    });
    expect(await tape.spaceToEndOfData()).toEqual({ kind: 'done' });
    expect(await tape.readBlock(100)).toMatchObject({ kind: 'end-of-data' });
    expect(await tape.unload()).toEqual({ kind: 'done' });
    expect(drive.unloadRequested).toBe(true);
    expect(image.durableObjects()).toHaveLength(5);
  });

  it('transfer fixed blocks once a block length is set', async () => {
    const { tape } = bench();
    expect(await tape.modeSelect({ blockLength: 512, bufferedMode: 1 })).toEqual({ kind: 'done' });
    expect(await tape.modeSense(0x10)).toMatchObject({
      kind: 'answer',
      value: { blockDescriptor: { blockLength: 512 }, bufferedMode: 1, writeProtected: false },
    });
    expect(await tape.writeBlocks(block(2048), 512)).toEqual({ kind: 'done' });
    await tape.rewind();
    expect(await tape.readBlocks(3, 512)).toMatchObject({ data: block(2048).slice(0, 1536) });
    expect(await tape.readBlocks(3, 512)).toEqual({
      kind: 'end-of-data',
      data: block(2048).slice(1536),
    });
  });

  it('name the drive', async () => {
    const { tape } = bench();
    expect(await tape.inquiry()).toMatchObject({
      value: { vendor: 'CAPSTAN', product: 'VIRTUAL TAPE', deviceType: 1, removable: true },
    });
    expect(await tape.serialNumber()).toEqual({ kind: 'answer', value: 'BENCH00001' });
    expect(await tape.blockLimits()).toMatchObject({
      value: { blockLengthMin: 1, blockLengthMax: 0xffffff },
    });
  });

  it('pass unit attentions while they await the drive, and stop at what stays', async () => {
    const { tape, drive } = emptyBench();
    const trouble = await tape.awaitReady();
    expect(trouble.kind === 'done' ? '' : describeTrouble(trouble)).toBe(
      '2/3A/00 MEDIUM NOT PRESENT',
    );
    drive.load({ partitionCount: 1, capacityBytes: 1e6, writeProtected: true, volume: 'A' });
    expect(await tape.testUnitReady()).toMatchObject({ kind: 'sense', sense: { key: 6 } });
    expect(await tape.awaitReady()).toEqual({ kind: 'done' });
    expect(await tape.writeBlock(block(10))).toMatchObject({ kind: 'sense', sense: { key: 7 } });
  });

  it('never take a deferred error for the end of the operation itself', async () => {
    const failing = (sense: Sense): TapeOperations =>
      new TapeOperations({
        execute: () =>
          Promise.resolve({
            status: 2,
            sense: buildSense({ ...sense, deferred: true, information: 7 }),
            dataIn: NOTHING,
            residual: 0,
          }),
      });
    const tape = failing(SENSE.VOLUME_OVERFLOW);
    const deferred = { kind: 'sense', sense: { deferred: true, information: 7 } };
    expect(await tape.writeBlock(block(10))).toMatchObject(deferred);
    expect(await failing(SENSE.END_OF_DATA_DETECTED).space('blocks', 1)).toMatchObject(deferred);
    expect(await failing(SENSE.FILEMARK_DETECTED).readBlock(10)).toMatchObject(deferred);
  });

  it('send nothing in fields that are reserved on the way to the device', async () => {
    const sent: ScsiCommand[] = [];
    const tape = new TapeOperations({
      execute: (command) => {
        sent.push(command);
        return Promise.resolve({ status: 0, sense: NOTHING, dataIn: NOTHING, residual: 0 });
      },
    });
    await tape.modeSelect({ blockLength: 512, bufferedMode: 1 });
    await tape.locate(5, 1);
    await tape.locate(5);
    expect(sent.map((command) => [...command.cdb])).toEqual([
      [0x15, 0x10, 0, 0, 12, 0],
      [0x2b, 2, 0, 0, 0, 0, 5, 0, 1, 0],
      [0x2b, 0, 0, 0, 0, 0, 5, 0, 0, 0],
    ]);
    expect([...(sent[0]?.dataOut ?? [])]).toEqual([0, 0, 0x10, 8, 0, 0, 0, 0, 0, 0, 2, 0]);
  });

  it('tell a status without sense and a malformed answer apart from sense', async () => {
    const answering = (status: number): TapeOperations =>
      new TapeOperations({
        execute: () =>
          Promise.resolve({
            status,
            sense: new Uint8Array(0),
            dataIn: new Uint8Array(3),
            residual: 0,
          }),
      });
    const busy = await answering(0x08).rewind();
    expect(busy.kind === 'done' ? '' : describeTrouble(busy)).toBe('status 08h');
    const short = await answering(0).blockLimits();
    expect(short.kind === 'answer' ? '' : describeTrouble(short)).toBe(
      'a malformed answer to READ BLOCK LIMITS',
    );
  });
});
