/**
 * Goal: a year of Instant DR by the wall clock of a zone with daylight saving: each day's runs come once and
 * at their times, on the two days when the clocks change, too, and after each the target is in step.
 *
 * Method: two production servers in simulated time, a backup a day, a line that is down for 40 minutes a week.
 */
import { describe, expect, it } from 'vitest';
import { newModelVault } from '../../harness/world/simulated-vault.ts';
import { DR_TAPES, DrWorld } from '../../harness/workload/dr-world.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const DAYS = 365;
const TIMEOUT_MS = 600_000;

const local = (ms: number): string =>
  new Intl.DateTimeFormat('sv', {
    timeZone: 'Europe/Berlin',
    dateStyle: 'short',
    timeStyle: 'short',
  }).format(ms);

describe('a year of Instant DR', () => {
  it(
    'runs at 02:30 and 14:00 each day in Berlin, once on the days when the clocks change',
    async () => {
      const dr = await DrWorld.start({
        profile: {
          worldSeed: 5,
          leftovers: 'ordered',
          keepAlive: true,
          schedules: ['daily at 02:30, 14:00'],
        },
        newVault: newModelVault,
      });
      for (let day = 0; day < DAYS; day += 1) {
        const tape = day % DR_TAPES.length;
        await dr.mount('east', tape);
        await dr.write('east', tape, day % 50);
        await dr.dismount('east', tape);
        // The run at 02:30 waits for the line, in summer time and in winter time, and is not lost.
        const downAtMs = day % 14 === 3 ? 20 * MINUTE_MS : 80 * MINUTE_MS;
        await dr.world.advance(downAtMs);
        if (day % 7 === 3) dr.wire.takeDown();
        await dr.world.advance(40 * MINUTE_MS);
        dr.wire.heal();
        const endOfDayMs = (day + 1) * DAY_MS - dr.world.clock.elapsedMs;
        await dr.world.advance(endOfDayMs);
        await dr.check();
        const { east, west } = dr.tape(tape).seen;
        expect(west).toBe(east);
      }
      const { catalog } = dr.servers.east;
      const runs = (await catalog.listIdrRuns({ limit: 1000 })).toReversed();
      expect(runs.map((run) => run.state).filter((state) => state !== 'done')).toEqual([]);
      expect(runs).toHaveLength(2 * DAYS);
      const times = runs.map((run) => local(run.startedAtMs));
      expect(new Set(times.map((time) => time.slice(11)))).toEqual(
        new Set(['02:30', '14:00', '03:00']),
      );
      // 02:30 is skipped on the last Sunday of March, and comes twice on that of October.
      expect(times.filter((time) => time.endsWith('03:00'))).toEqual(['2026-03-29 03:00']);
      expect(times.filter((time) => time.startsWith('2026-10-25'))).toEqual([
        '2026-10-25 02:30',
        '2026-10-25 14:00',
      ]);
    },
    TIMEOUT_MS,
  );
});
