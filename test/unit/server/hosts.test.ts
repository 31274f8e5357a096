import { describe, expect, it } from 'vitest';
import { HOLD_MS_MAX } from '../../../src/server/mount-queue.ts';
import { Bench, NODE } from './bench.ts';
import { requestOf } from './requests.ts';

const openMounts = async (bench: Bench): Promise<string[]> =>
  (await bench.east.catalog.listMounts({ open: true })).map((mount) => mount.tape);

describe('a mount request that the host makes while no server runs', () => {
  it('is answered once the server is back', async () => {
    const bench = await Bench.start();
    await bench.request('LAB002', { device: '$TAPE7' });
    bench.east.simulated.crash('kill');
    await bench.request('LAB001');
    await bench.world.advance(3_600_000);
    await bench.east.restart();
    await bench.world.advance(5_000);
    expect(await openMounts(bench)).toEqual(['LAB001']);
    expect(bench.east.faults).toEqual([]);
  });

  it('is not answered where it has ended by then', async () => {
    const bench = await Bench.start();
    await bench.request('LAB002', { device: '$TAPE7' });
    await bench.east.stop();
    const requestNumber = await bench.request('LAB001');
    await bench.log({ kind: 'request-cancelled', requestNumber, volume: 'LAB001' });
    await bench.log({ kind: 'request-cancelled', requestNumber: 101, volume: 'LAB002' });
    await bench.east.restart();
    await bench.world.advance(5_000);
    expect(await openMounts(bench)).toEqual([]);
    expect(await bench.east.catalog.listMountRequests()).toEqual([]);
  });

  it('and that was mounted when the server was killed is not mounted again', async () => {
    const bench = await Bench.start();
    const requestNumber = await bench.request('LAB001');
    await bench.log({ kind: 'mounted', requestNumber, volume: 'LAB001' });
    await bench.east.restart();
    await bench.world.advance(5_000);
    expect(await openMounts(bench)).toEqual([]);
  });
});

describe('a mount request that is open on the host, of which nothing was logged,', () => {
  const HEAD = [
    'Tape   Tape    Label   Node or           Write  Action',
    'Mount  Name    Type    Device            Prot   Needed',
  ];
  const OPEN = String.raw`0900   LAB001  ANSI    \LAB              YES    MOUNT REQUESTED TAPE`;
  const requests = async (bench: Bench): Promise<string[]> =>
    (await bench.east.catalog.listMountRequests()).map((row) => `${row.requestNumber} ${row.tape}`);

  it('is taken up at the start of the server, and after a lost session', async () => {
    const bench = await Bench.start();
    bench.statusTapemount = () => [...HEAD, OPEN];
    await bench.east.restart();
    await bench.world.advance(5_000);
    expect(await bench.east.catalog.listMounts({ open: true })).toMatchObject([
      { tape: 'LAB001', requestNumber: 900, ring: false },
    ]);
    bench.statusTapemount = () => [
      ...HEAD,
      OPEN,
      String.raw`0901   LAB002  BACKUP  \LAB.$TAPE0       NO     MOUNT REQUESTED TAPE`,
      String.raw`0902           ANSI    \LAB              NO     MOUNT SCRATCH TAPE`,
      String.raw`0903   NOTOUR  ANSI    \LAB              NO     MOUNT REQUESTED TAPE`,
    ];
    bench.world.network.wire('10.0.0.1', '10.0.0.9').cut();
    await bench.world.advance(10_000);
    expect(await requests(bench)).toEqual(['901 LAB002']);
    expect(await bench.east.catalog.listMounts({ tape: 'LAB001' })).toHaveLength(1);
    expect(bench.east.faults).toEqual([]);
  });

  it('leaves the queue where it is not open there any more', async () => {
    const bench = await Bench.start();
    await bench.request('LAB002', { device: '$TAPE7' });
    await bench.request('LAB001', { device: '$TAPE8' });
    bench.statusTapemount = () => [
      ...HEAD,
      String.raw`0102   LAB001  ANSI    \LAB.$TAPE8       NO     MOUNT REQUESTED TAPE`,
    ];
    await bench.east.call('host.restart');
    await bench.world.advance(5_000);
    expect(await requests(bench)).toEqual(['102 LAB001']);
    expect(await bench.east.log('220105')).toEqual([
      'Request 101 of \\LAB for cartridge LAB002 has ended: it is not open on the host any more',
    ]);
  });

  it('stays out of the queue where an operator took it out', async () => {
    const bench = await Bench.start();
    const requestNumber = await bench.request('LAB002', { device: '$TAPE7' });
    await bench.east.call('mount.drop', { host: NODE, requestNumber });
    await bench.east.call('host.restart');
    await bench.world.advance(5_000);
    expect(await requests(bench)).toEqual([]);
    await bench.log({ kind: 'request-cancelled', requestNumber, volume: 'LAB002' });
    await bench.log(requestOf('LAB002', requestNumber, { device: '$TAPE7' }));
    expect(await requests(bench)).toEqual([`${requestNumber} LAB002`]);
  });

  it('is not taken up where its end was heard while the host answered', async () => {
    const bench = await Bench.start();
    bench.statusTapemount = () => {
      bench.host.logZsvr({ kind: 'request-cancelled', requestNumber: 900, volume: 'LAB001' });
      bench.host.logZsvr({ kind: 'dismounted', volume: 'LAB002', device: '$TAPE0' });
      return [...HEAD, OPEN];
    };
    await bench.east.call('host.restart');
    await bench.world.advance(10_000);
    expect(await bench.east.catalog.listMounts({ tape: 'LAB001' })).toEqual([]);
  });

  it('is told of once where the host does not answer, and what waits goes on waiting', async () => {
    const bench = await Bench.start();
    await bench.request('LAB002', { device: '$TAPE7' });
    bench.statusTapemount = () => ['*ERROR* Security violation'];
    for (let count = 0; count < 2; count += 1) {
      await bench.east.call('host.restart');
      await bench.world.advance(5_000);
    }
    expect(await requests(bench)).toEqual(['101 LAB002']);
    expect(await bench.east.log('420125')).toEqual([
      expect.stringMatching(
        /^Mount requests that are open on \\LAB cannot be asked for: .*Security/,
      ),
    ]);
  });
});

describe('a mount that a crash of the server interrupts', () => {
  it('is made again where the host was not heard to have the tape', async () => {
    const bench = await Bench.start();
    // The host asks, and has not looked at its drives yet.
    bench.host.logZsvr(requestOf('LAB001', 7));
    await bench.world.advance(1_000);
    expect(await openMounts(bench)).toEqual(['LAB001']);
    await bench.east.restart();
    expect(await openMounts(bench)).toEqual([]);
    await bench.world.advance(5_000);
    expect(await bench.east.catalog.listMounts({ open: true })).toMatchObject([
      { tape: 'LAB001', requestNumber: 7, ring: true },
    ]);
  });

  it('is over where the host had the tape, or gave up meanwhile', async () => {
    const bench = await Bench.start();
    await bench.request('LAB001');
    await bench.east.restart();
    await bench.world.advance(5_000);
    expect(await openMounts(bench)).toEqual([]);
    bench.host.logZsvr(requestOf('LAB001', 7));
    await bench.world.advance(1_000);
    bench.east.simulated.crash('kill');
    await bench.log({ kind: 'request-cancelled', requestNumber: 7, volume: 'LAB001' });
    await bench.east.restart();
    await bench.world.advance(5_000);
    expect(await openMounts(bench)).toEqual([]);
  });

  it('does not wait for ever for a host that cannot be heard', async () => {
    const bench = await Bench.start();
    await bench.request('LAB001', { device: '$TAPE7' });
    bench.east.simulated.crash('kill');
    bench.world.network.wire('10.0.0.1', '10.0.0.9').takeDown();
    await bench.east.catalog.createDrive({
      name: 'VTD07',
      host: NODE,
      device: '$TAPE7',
      serialNumber: 'X',
    });
    await bench.east.restart();
    await bench.world.advance(HOLD_MS_MAX - 1);
    expect(await openMounts(bench)).toEqual([]);
    expect(await bench.east.call('mount.list')).toMatchObject({
      requests: [{ reason: 'waiting for the EMS session with \\LAB' }],
    });
    await bench.world.advance(1);
    expect(await openMounts(bench)).toEqual(['LAB001']);
  });
});

describe('the operations on hosts', () => {
  it('show each host with its session, its drives and what holds for it', async () => {
    const bench = await Bench.start({ host: { mountDelayMs: 0, vaults: ['VAULT00'] } });
    await bench.request('LAB001', { device: '$TAPE7' });
    const row = {
      name: NODE,
      address: '10.0.0.9:23',
      state: 'established',
      sessionCount: 1,
      eventCount: 1,
      driveCount: 1,
      waitingRequestCount: 1,
    };
    expect(await bench.east.call('host.list')).toMatchObject([row]);
    expect(await bench.east.call('host.show', { name: NODE })).toMatchObject({
      ...row,
      user: 'SUPER.TAPE',
      collector: '$0',
      drives: ['VTD01 as $TAPE0'],
      parameters: { responseTimeoutMs: 5_000, vaults: ['VAULT00'] },
    });
    expect(JSON.stringify(await bench.east.call('host.show', { name: NODE }))).not.toContain(
      'secret',
    );
  });

  it('restart a session, or all, and say so in the event log', async () => {
    const bench = await Bench.start();
    expect(await bench.east.call('host.restart')).toEqual({ hosts: [NODE] });
    await bench.world.advance(5_000);
    expect(await bench.east.call('host.list')).toMatchObject([
      { state: 'established', sessionCount: 2 },
    ]);
    await bench.east.call('host.restart', { name: NODE });
    expect(await bench.east.log('220123')).toEqual([
      'EMS service restarted for \\LAB',
      'EMS service restarted for \\LAB',
    ]);
  });

  it('refuse a host that there is none of', async () => {
    const bench = await Bench.start();
    await expect(bench.east.call('host.show', { name: '\\WEST' })).rejects.toThrow(/No host/);
    await expect(bench.east.call('host.restart', { name: '\\WEST' })).rejects.toThrow(/No host/);
    await expect(bench.east.call('host.restart', { name: 'x y' })).rejects.toThrow(/is refused/);
  });
});
