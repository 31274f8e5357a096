/**
 * Goal: the drive behaves as SSC says, whatever is asked of it in whatever order, and loses nothing
 * that it called durable, whatever its image does.
 * Method: (1) random commands go to the drive and to a naive tape, an array and a position written
 * from the standard without a look at the drive; status, sense, data, residual and position must be
 * equal after each. (2) A host appends while calls fail and the power goes; what the host knows to be
 * durable must be there, in order, and a deferred error must count exactly what is missing.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TapeImageModel } from '../../harness/model/tape-image.ts';
import { CapstanError } from '../../src/base/errors.ts';
import { TapeDrive } from '../../src/drive/tape-drive.ts';
import { CAPSTAN_VTD } from '../../src/drive/models/capstan-vtd.ts';
import type { ScsiResult } from '../../src/ports/scsi-transport.ts';
import { parseSense } from '../../src/scsi/sense.ts';

const CAPACITY_BYTES = 9000;
const EARLY_WARNING_BYTES = 1100;
/** As documented: what a filemark takes. */
const FILEMARK_BYTES = 1024;

interface Exchange {
  readonly cdb: readonly number[];
  readonly dataOut?: Uint8Array;
  readonly room: number;
}

/** What both sides are compared by. */
interface Seen {
  readonly sense: string;
  readonly data: string;
  readonly residual: number;
}

const GOOD = 'good';
/** key/asc/ascq, flags, INFORMATION. */
const senseText = (code: string, flags = '', information?: number): string =>
  [code, flags, information ?? 'none'].join(' ');

const text = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

function seen(result: ScsiResult): Seen {
  const { dataIn, residual } = result;
  if (result.status === 0) return { sense: GOOD, data: text(dataIn), residual };
  const sense = parseSense(result.sense);
  if (sense === undefined) throw new Error('a CHECK CONDITION came without sense');
  const code = [sense.key, sense.asc, sense.ascq].map((each) => each.toString(16)).join('/');
  const flags = `${sense.filemark ? 'F' : ''}${sense.eom ? 'E' : ''}${sense.ili ? 'I' : ''}`;
  const kind = sense.deferred ? 'deferred ' : '';
  return { sense: kind + senseText(code, flags, sense.information), data: text(dataIn), residual };
}

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

const high = (value: number): number => (value >> 16) & 0xff;
const middle = (value: number): number => (value >> 8) & 0xff;
const low = (value: number): number => value & 0xff;
const three = (value: number): number[] => [high(value), middle(value), low(value)];

const bytesOf = (length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => (index * 7 + seed * 13) % 128);

const LENGTH = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(1, 80, 512, 1000) },
  fc.integer({ min: 1, max: 3000 }),
);
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

function loadedDrive(image: TapeImageModel, partitionCount: number, writeProtected: boolean) {
  const drive = new TapeDrive({ model: CAPSTAN_VTD, serialNumber: 'PROPERTY' });
  const send = ({ cdb, dataOut, room }: Exchange): ScsiResult =>
    image.run(
      drive.execute({
        cdb: Uint8Array.from(cdb),
        dataInLength: room,
        timeoutMs: 1,
        ...(dataOut && { dataOut }),
      }),
    );
  drive.load({
    partitionCount,
    capacityBytes: CAPACITY_BYTES * partitionCount,
    earlyWarningBytes: EARLY_WARNING_BYTES,
    writeProtected,
    volume: 'PROP01',
  });
  send({ cdb: [0, 0, 0, 0, 0, 0], room: 0 });
  send({ cdb: [0, 0, 0, 0, 0, 0], room: 0 });
  return { drive, send };
}

const READ_POSITION: Exchange = { cdb: [0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0], room: 32 };

/** Partition, object number and file number out of READ POSITION's long form, read by hand. */
function positionSeen(result: ScsiResult): readonly number[] {
  const view = new DataView(result.dataIn.buffer, result.dataIn.byteOffset);
  const flags = view.getUint8(0);
  return [flags, view.getUint32(4), view.getUint32(12), view.getUint32(20)];
}

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

type Deed =
  | { readonly do: 'write'; readonly length: number }
  | { readonly do: 'mark'; readonly immed: boolean }
  | { readonly do: 'flush' | 'rewind' }
  | { readonly do: 'fail'; readonly op: 'append' | 'sync' | 'locate'; readonly code: 0 | 1 };

const DEEDS = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.record({ do: fc.constant('write' as const), length: LENGTH }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('mark' as const), immed: fc.boolean() }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constantFrom('flush' as const, 'rewind' as const) }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('fail' as const),
        op: fc.constantFrom('append' as const, 'sync' as const, 'locate' as const),
        code: fc.constantFrom(0 as const, 1 as const),
      }),
    },
  ),
  { maxLength: 50, size: 'max' },
);

const FAULTS = [
  new CapstanError('NO_SPACE', { path: 'the model' }),
  new CapstanError('DISK_IO', { place: 'the model', what: 'EIO' }),
] as const;

/** A host that appends, believes what it is told, and asks where it is after an error. */
class Appender {
  readonly image = new TapeImageModel();
  readonly #bench = loadedDrive(this.image, 1, false);
  /** What the host believes to be on the tape, each object named, and how much of it is durable. */
  #believed: string[] = [];
  #durableCount = 0;

  perform(deed: Deed, index: number): void {
    if (deed.do === 'fail') {
      this.image.failNext(deed.op, FAULTS[deed.code]);
      return;
    }
    const result = this.#bench.send(exchangeOf(deed, index));
    const sense = result.status === 0 ? undefined : parseSense(result.sense);
    if (sense?.key === 3) {
      // An error of the command itself leaves the position; a deferred one takes back what it counts.
      const lost = sense.deferred === true ? (sense.information ?? 0) : 0;
      this.#believed.splice(this.#believed.length - lost);
    } else if (sense === undefined || sense.key === 0) {
      if (deed.do === 'write') this.#believed.push(text(bytesOf(deed.length, index)));
      if (deed.do === 'mark') this.#believed.push('mark');
      const lazy = deed.do === 'write' || (deed.do === 'mark' && deed.immed);
      if (!lazy) this.#durableCount = this.#believed.length;
    }
    if (deed.do === 'rewind' && sense === undefined) this.#goBack();
  }

  /** To where the host left off. The image may fail once more for each fault that is planted. */
  #goBack(): void {
    const place = this.#believed.length;
    const cdb = [0x2b, 0, 0, 0, ...three(place), 0, 0, 0];
    for (let attempt = 0; attempt < 60; attempt += 1) {
      if (this.#bench.send({ cdb, room: 0 }).status === 0) return;
    }
    throw new Error('the tape does not go where the host left off');
  }

  /** Where the drive stands and what would survive a power cut of what was called durable. */
  get found(): { readonly place: number; readonly durable: readonly string[] } {
    const durable = this.image
      .durableObjects()
      .map((object) => (object.kind === 'block' ? text(object.data) : 'mark'));
    const place = this.#bench.drive.state.logicalObjectNumber;
    return { place, durable: durable.slice(0, this.#durableCount) };
  }

  /** The same as the host believes it. */
  get believed(): { readonly place: number; readonly durable: readonly string[] } {
    const place = this.#believed.length;
    const durable = this.#believed.slice(0, this.#durableCount);
    if (durable.length < this.#durableCount) throw new Error('what was durable was called lost');
    return { place, durable };
  }
}

function exchangeOf(deed: Exclude<Deed, { do: 'fail' }>, index: number): Exchange {
  switch (deed.do) {
    case 'write':
      return {
        cdb: [0x0a, 0, ...three(deed.length), 0],
        dataOut: bytesOf(deed.length, index),
        room: 0,
      };
    case 'mark':
      return { cdb: [0x10, deed.immed ? 1 : 0, 0, 0, 1, 0], room: 0 };
    case 'flush':
      return { cdb: [0x10, 0, 0, 0, 0, 0], room: 0 };
    default:
      return { cdb: [0x01, 0, 0, 0, 0, 0], room: 0 };
  }
}

describe('a host that appends while its image fails', () => {
  it('finds all that it was told is durable, and is told exactly what is lost', () => {
    const check = (deeds: readonly Deed[]): void => {
      const appender = new Appender();
      deeds.forEach((deed, index) => {
        appender.perform(deed, index);
        expect(appender.found).toEqual(appender.believed);
      });
    };
    fc.assert(fc.property(DEEDS, check), { seed: 20_263, numRuns: 500 });
  });
});
