import { describe, expect, it } from 'vitest';
import { TapeModel } from '../../../../harness/model/tape-model.ts';
import type { TapeObject } from '../../../../src/tape/tape-object.ts';
import { FILEMARK } from '../../../../src/tape/tape-object.ts';

const block = (byte: number): TapeObject => ({ kind: 'block', data: Uint8Array.of(byte) });

/** A tape on which blocks 1 and 2 and a filemark are synced, and block 3 is issued. */
function tape(): TapeModel {
  const model = new TapeModel('LAB001');
  model.issueBlock(Uint8Array.of(1));
  model.issueBlock(Uint8Array.of(2));
  model.issueFilemarks(1);
  model.synced();
  model.issueBlock(Uint8Array.of(3));
  return model;
}

describe('the model of a tape', () => {
  it('allows after a crash what was synced, and each write issued since', () => {
    const model = tape();
    expect(model.allows([block(1), block(2), FILEMARK])).toBe(true);
    expect(model.allows([block(1), block(2), FILEMARK, block(3)])).toBe(true);
  });

  it('allows neither less than was synced nor anything else', () => {
    const model = tape();
    expect(model.allows([block(1), block(2)])).toBe(false);
    expect(model.allows([])).toBe(false);
    expect(model.allows([block(1), block(2), FILEMARK, block(4)])).toBe(false);
  });

  it('drops what is behind the position with a write, as tapes do', () => {
    const model = tape();
    model.synced();
    model.moveTo('beginning');
    model.issueBlock(Uint8Array.of(9));
    expect(model.content).toEqual([block(9)]);
    expect(model.allows([block(1), block(2), FILEMARK, block(3)])).toBe(true);
    model.synced();
    expect(model.allows([block(1), block(2), FILEMARK, block(3)])).toBe(false);
  });
});
