/**
 * Goal: the drive behaves as SSC says, whatever is asked of it in whatever order.
 * Method: random commands go to the drive and to a naive tape, an array and a position written from the standard
 * without a look at the drive; status, sense, data, residual and position must be equal after each.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TapeImageModel } from '../../harness/model/tape-image.ts';
import {
  CAPACITY_BYTES,
  EARLY_WARNING_BYTES,
  FILEMARK_BYTES,
  GOOD,
  senseText,
  text,
  seen,
  three,
  bytesOf,
  LENGTH,
  loadedDrive,
  READ_POSITION,
  positionSeen,
} from './drive-bench.ts';
import type { Exchange } from './drive-bench.ts';

type Thing = Uint8Array | 'mark';

/** A tape as the standard tells it: objects in a row, and a place between two of them. */
class NaiveTape {
  partitions: Thing[][] = [[], []];
  partition = 0;
  place = 0;
  blockLength = 0;
  protected: boolean;

  constructor(isProtected: boolean) {
    this.protected = isProtected;
  }

  get things(): Thing[] {
    return this.partitions[this.partition] ?? [];
  }

  get used(): number {
    return this.things
      .slice(0, this.place)
      .reduce((sum, thing) => sum + (thing === 'mark' ? FILEMARK_BYTES : thing.length), 0);
  }

  #put(thing: Thing): boolean {
    const size = thing === 'mark' ? FILEMARK_BYTES : thing.length;
    if (this.used + size > CAPACITY_BYTES) return false;
    this.things.length = this.place;
    this.things.push(thing);
    this.place += 1;
    return true;
  }

  put(things: readonly Thing[], unit: number): string {
    let missing = things.length;
    for (const thing of things) {
      if (!this.#put(thing)) break;
      missing -= 1;
    }
    if (missing > 0) return senseText('d/0/2', 'E', missing * unit);
    const warned = this.used > CAPACITY_BYTES - EARLY_WARNING_BYTES;
    return warned ? senseText('0/0/2', 'E', 0) : GOOD;
  }

  get(count: number, fixed: boolean, sili: boolean): { sense: string; data: string } {
    if (fixed && (this.blockLength === 0 || sili)) {
      return { sense: senseText('5/24/0'), data: '' };
    }
    if (count === 0) return { sense: GOOD, data: '' };
    let data = '';
    for (let left = fixed ? count : 1; left > 0; left -= 1) {
      const information = fixed ? left : count;
      const thing = this.things[this.place];
      if (thing === undefined) return { sense: senseText('8/0/5', '', information), data };
      this.place += 1;
      if (thing === 'mark') return { sense: senseText('0/0/1', 'F', information), data };
      if (fixed) {
        if (thing.length !== this.blockLength) {
          return { sense: senseText('0/0/0', 'I', left), data };
        }
        data += text(thing);
        continue;
      }
      data = text(thing.slice(0, count));
      const tooLong = thing.length > count;
      const tooShort = thing.length < count;
      const complains = sili ? tooLong && this.blockLength !== 0 : tooLong || tooShort;
      if (complains) return { sense: senseText('0/0/0', 'I', count - thing.length), data };
    }
    return { sense: GOOD, data };
  }

  space(code: number, count: number): string {
    if (code === 3) {
      this.place = this.things.length;
      return GOOD;
    }
    if (code !== 0 && code !== 1) return senseText('5/24/0');
    for (let left = Math.abs(count); left > 0;) {
      const thing = count > 0 ? this.things[this.place] : this.things[this.place - 1];
      if (thing === undefined) {
        return count > 0 ? senseText('8/0/5', '', left) : senseText('0/0/4', 'E', left);
      }
      this.place += count > 0 ? 1 : -1;
      if (thing === 'mark' && code === 0) return senseText('0/0/1', 'F', left);
      if (thing === 'mark' || code === 0) left -= 1;
    }
    return GOOD;
  }

  locate(place: number, partition: number | undefined): string {
    if (partition !== undefined && partition > 1) return senseText('5/24/0');
    this.partition = partition ?? this.partition;
    this.place = Math.min(place, this.things.length);
    return place === this.place ? GOOD : senseText('8/0/5');
  }
}

interface Command {
  readonly name: string;
  exchange(tape: NaiveTape): Exchange;
  /** Performs it on the naive tape; the bytes of data-out that were taken decide the residual. */
  perform(tape: NaiveTape): { sense: string; data?: string; taken?: number };
}

const PROTECTED = senseText('7/27/0');

const writes = fc
  .record({ fixed: fc.boolean(), count: fc.nat(4), length: LENGTH, seed: fc.nat(99) })
  .map(({ fixed, count, length, seed }): Command => {
    const transfer = fixed ? count : length;
    const dataOf = (tape: NaiveTape) => bytesOf(fixed ? count * tape.blockLength : length, seed);
    return {
      name: fixed ? `write ${count} fixed` : `write ${length}`,
      exchange: (tape) => ({
        cdb: [0x0a, fixed ? 1 : 0, ...three(transfer), 0],
        dataOut: dataOf(tape),
        room: 0,
      }),
      perform(tape) {
        if (tape.protected) return { sense: PROTECTED, taken: 0 };
        if (fixed && tape.blockLength === 0) return { sense: senseText('5/24/0'), taken: 0 };
        const data = dataOf(tape);
        if (transfer === 0) return { sense: GOOD, taken: data.length };
        const unit = fixed ? tape.blockLength : length;
        const blocks = Array.from({ length: fixed ? count : 1 }, (_, index) =>
          data.slice(index * unit, (index + 1) * unit),
        );
        const before = tape.place;
        const sense = tape.put(blocks, fixed ? 1 : unit);
        return { sense, taken: (tape.place - before) * unit };
      },
    };
  });

const reads = fc
  .record({ fixed: fc.boolean(), sili: fc.boolean(), count: fc.nat(5), length: LENGTH })
  .map(({ fixed, sili, count, length }): Command => {
    const transfer = fixed ? count : length;
    return {
      name: `read ${transfer}${fixed ? ' fixed' : ''}${sili ? ' SILI' : ''}`,
      exchange: (tape) => ({
        cdb: [0x08, (fixed ? 1 : 0) | (sili ? 2 : 0), ...three(transfer), 0],
        room: fixed ? count * tape.blockLength : length,
      }),
      perform: (tape) => tape.get(transfer, fixed, sili),
    };
  });

const marks = fc
  .record({ count: fc.nat(3), immed: fc.boolean() })
  .map(({ count, immed }): Command => ({
    name: `${count} filemarks${immed ? ' IMMED' : ''}`,
    exchange: () => ({ cdb: [0x10, immed ? 1 : 0, ...three(count), 0], room: 0 }),
    perform(tape) {
      if (count === 0) return { sense: GOOD };
      if (tape.protected) return { sense: PROTECTED };
      return {
        sense: tape.put(
          Array.from({ length: count }, () => 'mark' as const),
          1,
        ),
      };
    },
  }));

const spaces = fc
  .record({ code: fc.constantFrom(0, 0, 1, 1, 2, 3), count: fc.integer({ min: -6, max: 6 }) })
  .map(({ code, count }): Command => ({
    name: `space ${code} ${count}`,
    exchange: () => ({ cdb: [0x11, code, ...three(count), 0], room: 0 }),
    perform: (tape) => ({ sense: tape.space(code, count) }),
  }));

const locates = fc
  .record({ place: fc.nat(30), partition: fc.option(fc.nat(2), { nil: undefined }) })
  .map(({ place, partition }): Command => ({
    name: `locate ${place} in ${partition ?? 'the same'}`,
    exchange: () => ({
      cdb: [0x2b, partition === undefined ? 4 : 2, 0, 0, ...three(place), 0, partition ?? 0, 0],
      room: 0,
    }),
    perform: (tape) => ({ sense: tape.locate(place, partition) }),
  }));

const rewinds = fc.constant<Command>({
  name: 'rewind',
  exchange: () => ({ cdb: [0x01, 0, 0, 0, 0, 0], room: 0 }),
  perform(tape) {
    tape.place = 0;
    return { sense: GOOD };
  },
});

const erases = fc.constantFrom(0, 1).map((long): Command => ({
  name: 'erase',
  exchange: () => ({ cdb: [0x19, long, 0, 0, 0, 0], room: 0 }),
  perform(tape) {
    if (tape.protected) return { sense: PROTECTED };
    tape.things.length = tape.place;
    return { sense: GOOD };
  },
}));

const modes = fc
  .record({ length: fc.constantFrom(0, 80, 512), buffered: fc.boolean() })
  .map(({ length, buffered }): Command => {
    const dataOut = Uint8Array.of(0, 0, buffered ? 0x10 : 0, 8, 0, 0, 0, 0, 0, ...three(length));
    return {
      name: `block length ${length}${buffered ? '' : ' unbuffered'}`,
      exchange: () => ({ cdb: [0x15, 0x10, 0, 0, 12, 0], dataOut, room: 0 }),
      perform(tape) {
        tape.blockLength = length;
        return { sense: GOOD, taken: dataOut.length };
      },
    };
  });

const COMMANDS = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: writes },
    { weight: 6, arbitrary: reads },
    { weight: 3, arbitrary: marks },
    { weight: 4, arbitrary: spaces },
    { weight: 2, arbitrary: locates },
    { weight: 2, arbitrary: rewinds },
    { weight: 1, arbitrary: erases },
    { weight: 1, arbitrary: modes },
  ),
  { maxLength: 60, size: 'max' },
);

function positionExpected(tape: NaiveTape): readonly number[] {
  const before = tape.things.slice(0, tape.place);
  const warned = tape.used > CAPACITY_BYTES - EARLY_WARNING_BYTES;
  return [
    (tape.place === 0 ? 0x80 : 0) | (warned ? 0x40 : 0),
    tape.partition,
    tape.place,
    before.filter((thing) => thing === 'mark').length,
  ];
}

describe('the drive', () => {
  it.each([
    { seed: 20_261, isProtected: false, numRuns: 400 },
    { seed: 20_262, isProtected: true, numRuns: 50 },
  ])(
    'does what the naive tape does, ring or none: seed $seed',
    ({ seed, isProtected, numRuns }) => {
      const check = (commands: readonly Command[]): void => {
        const image = new TapeImageModel(2);
        const { drive, send } = loadedDrive(image, 2, isProtected);
        const tape = new NaiveTape(isProtected);
        for (const command of commands) {
          const exchange = command.exchange(tape);
          const expected = command.perform(tape);
          const data = expected.data ?? '';
          const dataOutLength = exchange.dataOut?.length ?? 0;
          const residual =
            dataOutLength > 0
              ? dataOutLength - (expected.taken ?? 0)
              : exchange.room - Math.min(data.length, exchange.room);
          expect({ command: command.name, ...seen(send(exchange)) }).toEqual({
            command: command.name,
            sense: expected.sense,
            data,
            residual,
          });
          expect(drive.state.logicalObjectNumber).toBe(tape.place);
          expect(positionSeen(send(READ_POSITION))).toEqual(positionExpected(tape));
        }
        send({ cdb: [0x1b, 0, 0, 0, 0, 0], room: 0 });
        for (const partition of [0, 1]) {
          expect(
            image
              .durableObjects(partition)
              .map((object) => (object.kind === 'block' ? text(object.data) : 'mark')),
          ).toEqual(
            (tape.partitions[partition] ?? []).map((thing) =>
              thing === 'mark' ? 'mark' : text(thing),
            ),
          );
        }
      };
      fc.assert(fc.property(COMMANDS, check), { seed, numRuns });
    },
  );
});
