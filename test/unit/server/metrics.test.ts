import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { METRICS } from '../../../src/server/metrics.ts';
import { Bench } from './bench.ts';

let bench: Bench;
beforeEach(async () => {
  bench = await Bench.start({ copies: true });
});

/** The value of each series: `name{label="value"}`. */
async function series(): Promise<ReadonlyMap<string, number>> {
  const text = String(await bench.east.call('server.metrics'));
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

describe('the metrics', () => {
  it('are those that docs/reference/metrics.md explains', () => {
    const page = readFileSync('docs/reference/metrics.md', 'utf8');
    const rows = [...page.matchAll(/^\| `(capstan_\w+)` \| (\w+) \| ([^|]+) \| ([^|]+) \|$/gm)];
    expect(rows.map(([, ...cells]) => cells)).toEqual(
      Object.entries(METRICS).map(([name, { type, help, labels }]) => [
        name,
        type,
        labels.length === 0 ? '-' : labels.join(', '),
        help,
      ]),
    );
  });

  it('have names and units as Prometheus wants them', () => {
    for (const [name, { type, help }] of Object.entries(METRICS)) {
      expect(name).toMatch(/^capstan_[a-z]+(_[a-z]+)*$/);
      expect(name.endsWith('_total')).toBe(type === 'counter');
      expect(help).toMatch(/^[A-Z1]/);
    }
  });

  it('tell a backup and its copy', async () => {
    await bench.backUp(1, 5000);
    await bench.world.advance(60_000);
    const found = await series();
    const value = (name: string): number | undefined => found.get(name);
    expect(value('capstan_mounts_total{access="read-write"}')).toBe(1);
    expect(value('capstan_dismounts_total{changed="true"}')).toBe(1);
    expect(value('capstan_copies_total{target="west",outcome="copied"}')).toBe(1);
    expect(value('capstan_copy_sent_bytes_total{target="west"}')).toBeGreaterThan(100);
    expect(value('capstan_copy_queue{target="west",state="copied"}')).toBe(1);
    expect(value('capstan_copy_queue{target="west",state="failed"}')).toBe(0);
    expect(value('capstan_tapes{vault="VAULT00",pool="POOL1"}')).toBe(2);
    expect(value('capstan_tape_bytes{vault="VAULT00",pool="POOL1"}')).toBeGreaterThan(5000);
    expect(value('capstan_vault_stored_bytes{vault="VAULT00"}')).toBeGreaterThan(0);
    expect(value('capstan_vault_dedup_ratio{vault="VAULT00"}')).toBeGreaterThan(0);
    expect(value('capstan_drives{state="empty"}')).toBe(1);
    expect(value('capstan_ems_session{host="\\\\LAB",state="established"}')).toBe(1);
    expect(value('capstan_ems_session{host="\\\\LAB",state="waiting"}')).toBe(0);
    expect(value('capstan_ems_events_total{host="\\\\LAB"}')).toBeGreaterThan(0);
    expect(value('capstan_events_total{severity="CRITICAL"}')).toBe(0);
    expect(value('capstan_faults_total')).toBe(0);
  });

  it('tell what waits, what failed, and what is in a drive', async () => {
    bench.setLink(false);
    await bench.backUp(1);
    await bench.request('LAB001');
    await bench.request('LAB002');
    await bench.world.advance(30_000);
    const found = await series();
    expect(found.get('capstan_drive_loaded{drive="VTD01",host="\\\\LAB"}')).toBe(1);
    expect(found.get('capstan_drives{state="loaded"}')).toBe(1);
    expect(found.get('capstan_mounts_open')).toBe(1);
    expect(found.get('capstan_mount_requests_waiting{host="\\\\LAB"}')).toBe(1);
    expect(found.get('capstan_mount_request_oldest_seconds')).toBeGreaterThanOrEqual(30);
    expect(found.get('capstan_copy_queue{target="west",state="due"}')).toBe(1);
  });

  it('of one server are not those of another, and forget what is gone', async () => {
    await bench.backUp(1);
    const west = String(await bench.west.call('server.metrics'));
    expect(west).toContain('capstan_info{server="west"');
    expect(west).not.toContain('capstan_mounts_total{');
    await bench.east.call('drive.delete', { name: 'VTD01' });
    expect([...(await series()).keys()].join()).not.toContain('VTD01');
  });

  it('count each event, fault and attempt once, however often they are asked for', async () => {
    await bench.backUp(1);
    const first = await series();
    const second = await series();
    expect(second).toEqual(first);
    const rows = (await bench.east.call('events.list', { limit: 1000 })) as readonly object[];
    const counted = [...first].filter(([name]) => name.startsWith('capstan_events_total'));
    expect(counted.reduce((sum, [, value]) => sum + value, 0)).toBe(rows.length);
  });
});
