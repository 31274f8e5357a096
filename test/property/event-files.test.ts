/**
 * The files of the event log hold every entry of the catalog once and in order, whatever crashes.
 *
 * Entries come, time goes by, the server is stopped, started, or killed in the middle of any call on a
 * file: a line half written, a rotation half done. Afterwards the packed files, the oldest first, and
 * the file in use together are the log, line for line.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { World } from '../../harness/world/world.ts';
import { CapstanError } from '../../src/base/errors.ts';
import { openCatalog } from '../../src/catalog/sqlite-catalog.ts';
import type { Catalog } from '../../src/ports/catalog.ts';
import type { RotatingLogFiles } from '../../src/ports/log-files.ts';
import type { ServerContext } from '../../src/server/context.ts';
import { EVENT_FILE, EVENT_JSON_FILE, EventFiles } from '../../src/server/event-files.ts';
import { formatEventLine } from '../../src/server/event-line.ts';
import { PROFILES } from '../../src/server/profiles.ts';

const HOUR_MS = 3_600_000;
const NAMES = { systemId: 'CAPSTAN', serverName: 'east' };
const ENTRY = {
  severity: 'INFO',
  messageId: '220101',
  address: '127.0.0.1',
  user: 'system',
  program: '',
} as const;

/** Log files in memory; the `failAt`-th step of any call fails, having been done in part. */
class Disk implements RotatingLogFiles {
  readonly current = new Map<string, string>();
  readonly aside = new Map<string, string>();
  /** The newest first. */
  readonly packed = new Map<string, string[]>();
  failAt = Infinity;
  share = 0;

  #step(): void {
    this.failAt -= 1;
    if (this.failAt === 0) {
      this.failAt = Infinity;
      throw new CapstanError('DISK_IO', { place: 'log', what: 'EIO' });
    }
  }

  async append(name: string, text: string): Promise<void> {
    const before = this.current.get(name) ?? '';
    this.current.set(name, before + text.slice(0, Math.floor(text.length * this.share)));
    this.#step();
    this.current.set(name, before + text);
    this.#step();
  }

  async read(name: string): Promise<string | undefined> {
    if (name.endsWith('.1.gz')) return this.packed.get(name.slice(0, -'.1.gz'.length))?.[0];
    return this.current.get(name);
  }

  async sizeBytes(name: string): Promise<number> {
    return this.current.get(name)?.length ?? 0;
  }

  async mend(name: string): Promise<void> {
    this.#pack(name);
    const text = this.current.get(name);
    if (text !== undefined) this.current.set(name, text.slice(0, text.lastIndexOf('\n') + 1));
  }

  async rotate(name: string): Promise<void> {
    this.#pack(name);
    this.#step();
    const text = this.current.get(name) ?? '';
    if (text === '') return;
    this.aside.set(name, text);
    this.current.delete(name);
    this.#step();
    this.#pack(name);
  }

  #pack(name: string): void {
    const text = this.aside.get(name);
    if (text === undefined) return;
    this.packed.set(name, [text, ...(this.packed.get(name) ?? [])]);
    this.aside.delete(name);
  }

  whole(name: string): string {
    return (
      [...(this.packed.get(name) ?? [])].toReversed().join('') + (this.current.get(name) ?? '')
    );
  }
}

/** Planted bugs, each one line of a disk that does something else. */
const MUTANTS: Readonly<Record<string, (disk: Disk) => void>> = {
  'an unfinished line stays': (disk) => {
    const mend = disk.mend.bind(disk);
    disk.mend = async (name) => {
      const text = disk.current.get(name);
      await mend(name);
      if (text !== undefined) disk.current.set(name, text);
    };
  },
  'what was put by is not looked at': (disk) => {
    const read = disk.read.bind(disk);
    disk.read = async (name) => (name.endsWith('.gz') ? undefined : read(name));
  },
  'event.log is never read back': (disk) => {
    const read = disk.read.bind(disk);
    disk.read = async (name) => (name === EVENT_FILE ? '' : read(name));
  },
  'what is put by stays in use as well': (disk) => {
    const rotate = disk.rotate.bind(disk);
    disk.rotate = async (name) => {
      const text = disk.current.get(name);
      await rotate(name);
      if (text !== undefined) disk.current.set(name, text);
    };
  },
};

type Step =
  | { readonly kind: 'log'; readonly count: number }
  | { readonly kind: 'wait'; readonly hours: number }
  | { readonly kind: 'restart'; readonly politely: boolean }
  | { readonly kind: 'fail'; readonly at: number; readonly share: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('log' as const), count: fc.integer({ min: 1, max: 450 }) }),
  fc.record({ kind: fc.constant('log' as const), count: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constant('wait' as const), hours: fc.integer({ min: 1, max: 30 }) }),
  fc.record({ kind: fc.constant('restart' as const), politely: fc.boolean() }),
  fc.record({
    kind: fc.constant('fail' as const),
    at: fc.integer({ min: 1, max: 8 }),
    share: fc.constantFrom(0, 0.3, 0.99, 1),
  }),
);

class Run {
  readonly world = new World(1);
  readonly disk = new Disk();
  readonly catalog: Catalog = openCatalog(':memory:');
  #files = this.#start();
  #count = 0;

  #start(): EventFiles {
    const clock = this.world.clock;
    const context = {
      ports: { catalog: this.catalog, clock },
      settings: { ...NAMES, eventFiles: { timeZone: 'Europe/Berlin' } },
      profile: PROFILES['8.3'],
      emit: () => undefined,
      background: (_: string, work: () => Promise<void>) => void work().catch(() => undefined),
    } as unknown as ServerContext;
    return new EventFiles(context, this.disk);
  }

  async do(each: Step): Promise<void> {
    if (each.kind === 'fail') {
      this.disk.failAt = each.at;
      this.disk.share = each.share;
    } else if (each.kind === 'wait') {
      await this.world.advance(each.hours * HOUR_MS);
    } else if (each.kind === 'restart') {
      if (each.politely) await this.#files.stop();
      // A killed process does nothing more: its timers find it stopped.
      else await this.#files.stop().catch(() => undefined);
      this.#files = this.#start();
      await this.#files.start();
    } else {
      for (let left = each.count; left > 0; left -= 1) {
        this.#count += 1;
        const text = `entry ${this.#count}`;
        await this.catalog.appendEvent({ ...ENTRY, atMs: this.world.clock.nowMs(), text });
      }
      this.#files.wake();
      await this.world.advance(0);
    }
  }

  /** What lies in the files at the end, and what should. */
  async result(): Promise<{ readonly found: string[]; readonly expected: string[] }> {
    this.disk.failAt = Infinity;
    await this.do({ kind: 'restart', politely: true });
    const rows = await this.catalog.listEvents({ afterId: 0, limit: 100_000 });
    await this.catalog.close();
    const lines = rows.map((row) => `${formatEventLine(row, { ...NAMES, hasProgram: true })}\n`);
    const json = rows.map((row) => `${JSON.stringify(row)}\n`);
    return {
      found: [this.disk.whole(EVENT_FILE), this.disk.whole(EVENT_JSON_FILE)],
      expected: [lines.join(''), json.join('')],
    };
  }
}

describe('the files of the event log', () => {
  const wholeLog = (plant: (disk: Disk) => void): fc.IAsyncProperty<[Step[]]> =>
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const run = new Run();
      plant(run.disk);
      for (const each of steps) await run.do(each);
      const { found, expected } = await run.result();
      return found.join() === expected.join();
    });

  it('hold every entry once and in order, whatever crashes', async () => {
    const result = await fc.check(
      wholeLog(() => undefined),
      { seed: 44, numRuns: 150 },
    );
    expect(fc.defaultReportMessage(result)).toBeUndefined();
  }, 60_000);

  it.each(Object.entries(MUTANTS))(
    'with a planted bug are found out: %s',
    async (_, plant) => {
      const options = { seed: 44, numRuns: 150, endOnFailure: true };
      expect((await fc.check(wholeLog(plant), options)).failed).toBe(true);
    },
    60_000,
  );

  it('are put by at 04:00 of the time zone, over daylight saving, and not while nothing was logged', async () => {
    const run = new Run();
    await run.do({ kind: 'restart', politely: true });
    // The world begins at 2026-01-01T00:00Z, which is 01:00 in Berlin.
    await run.do({ kind: 'log', count: 1 });
    await run.do({ kind: 'wait', hours: 2 });
    expect(run.disk.packed.get(EVENT_FILE)).toBeUndefined();
    await run.do({ kind: 'wait', hours: 1 });
    expect(run.disk.packed.get(EVENT_FILE)).toHaveLength(1);
    await run.do({ kind: 'wait', hours: 24 * 100 });
    expect(run.disk.packed.get(EVENT_FILE)).toHaveLength(1);
    // 11 April, 03:00Z is 05:00 in Berlin by then: the next 04:00 is at 02:00Z.
    await run.do({ kind: 'log', count: 1 });
    await run.do({ kind: 'wait', hours: 22 });
    expect(run.disk.packed.get(EVENT_FILE)).toHaveLength(1);
    await run.do({ kind: 'wait', hours: 1 });
    expect(run.disk.packed.get(EVENT_FILE)).toHaveLength(2);
  });

  it('are put by at the next start where no server ran at 04:00', async () => {
    const run = new Run();
    await run.do({ kind: 'restart', politely: true });
    await run.do({ kind: 'log', count: 2 });
    const stopped = run.disk.whole(EVENT_FILE);
    const later = new Run();
    later.disk.current.set(EVENT_FILE, stopped);
    later.disk.current.set(EVENT_JSON_FILE, run.disk.whole(EVENT_JSON_FILE));
    await later.world.advance(5 * HOUR_MS);
    await later.do({ kind: 'restart', politely: true });
    expect(later.disk.packed.get(EVENT_FILE)).toEqual([stopped]);
    expect(later.disk.current.get(EVENT_FILE)).toBeUndefined();
  });
});
