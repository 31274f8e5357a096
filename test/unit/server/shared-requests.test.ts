import { describe, expect, it } from 'vitest';
import { NODE, SharedBench } from './shared-bench.ts';

describe('a host that both servers of a shared vault hear', () => {
  it('has its request satisfied by one of them, and the other lets it go', async () => {
    const bench = await SharedBench.start();
    await bench.request(7);
    const [mounted, waiting] = await bench.mountedAndWaiting();
    expect(['east', 'west']).toContain(mounted);
    expect(waiting).toBe('');
    const other = mounted === 'east' ? bench.west : bench.east;
    await bench.world.advance(120_000);
    expect(await bench.mountedAndWaiting()).toEqual([mounted, '']);
    expect(await other.server.catalog.listMounts({ tape: 'LAB001' })).toEqual([]);
    expect([...bench.east.server.faults, ...bench.west.server.faults]).toEqual([]);
  });

  it('has it satisfied by the other where the first is lost before the host has the tape', async () => {
    const bench = await SharedBench.start();
    await bench.request(7);
    const [mounted] = await bench.mountedAndWaiting();
    const [first, other] = mounted === 'east' ? [bench.east, bench.west] : [bench.west, bench.east];
    first.server.crash('kill');
    await bench.world.advance(180_000);
    const open = await other.server.catalog.listMounts({ open: true });
    expect(open).toMatchObject([{ tape: 'LAB001', requestNumber: 7, ring: true }]);
  });

  it('has it satisfied once where it has the tape already', async () => {
    const bench = await SharedBench.start();
    await bench.request(7);
    bench.host.logZsvr({ kind: 'mounted', requestNumber: 7, volume: 'LAB001' });
    await bench.world.advance(2_000);
    const [mounted] = await bench.mountedAndWaiting();
    const [first, other] = mounted === 'east' ? [bench.east, bench.west] : [bench.west, bench.east];
    first.server.crash('kill');
    await bench.world.advance(180_000);
    expect(await other.server.catalog.listMounts({ open: true })).toEqual([]);
    expect(await other.server.catalog.listMountRequests()).toEqual([]);
  });

  it('has it satisfied by an operator on one of them, and the other lets it go', async () => {
    const bench = await SharedBench.start();
    // For a drive that is not there yet.
    await bench.request(7, { device: '$EAST7' });
    expect(await bench.mountedAndWaiting()).toEqual(['', 'east west']);
    const { operations } = bench.east.server.server;
    // Decided before the queue looks at what waits for the drive.
    const changed = Promise.all([
      operations.call('drive.create', { name: 'VTD07', host: NODE, device: '$EAST7' }),
      operations.call('mount.create', { tape: 'LAB001', drive: 'VTD07', ring: true }),
    ]);
    const [, mount] = await bench.finish(changed);
    expect(mount).toMatchObject({ drive: 'VTD07', requestNumber: 7 });
    await bench.world.advance(2_000);
    expect(await bench.mountedAndWaiting()).toEqual(['east', '']);
  });
});
