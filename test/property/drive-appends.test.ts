/**
 * Goal: the drive loses nothing that it called durable, whatever its image does.
 * Method: a host appends while calls fail and the power goes; what the host knows to be durable must be there, in
 * order, and a deferred error must count exactly what is missing.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TapeImageModel } from '../../harness/model/tape-image.ts';
import { CapstanError } from '../../src/base/errors.ts';
import { parseSense } from '../../src/scsi/sense.ts';
import { text, three, bytesOf, LENGTH, loadedDrive } from './drive-bench.ts';
import type { Exchange } from './drive-bench.ts';

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
