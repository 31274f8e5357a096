import { describe, expect, it } from 'vitest';
import { HostError } from '../../../../harness/hosts/host-error.ts';
import { backup, restore } from '../../../../harness/hosts/backup-jobs.ts';
import { Life } from '../../../../harness/world/life.ts';
import { TaclSession } from '../../../../src/ems/tacl-session.ts';
import type { SessionEffect } from '../../../../src/ems/tacl-session.ts';
import { parseZsvrEvent } from '../../../../src/ems/zsvr-events.ts';
import { HOST_ADDRESS, LIMIT_MS, scene } from './host-scene.ts';

const SERVER_ADDRESS = '10.0.0.1';

const BLOCKS = [1, 80, 4096].map((length) => new Uint8Array(length).fill(length % 251));

describe('the simulated NonStop', () => {
  it('asks with 600 and has the tape with 648 once a drive holds it', async () => {
    const { world, host, drives, events } = scene();
    const mounting = host.requestMount({ volume: 'LAB001', ring: true, timeoutMs: LIMIT_MS });
    await world.advance(10_000);
    expect(events()).toEqual(['600']);
    drives[1].load('LAB001', { ring: true });
    const tape = await world.finish(mounting, 10_000);
    expect([tape.device, tape.ring, events()]).toEqual(['$TAPE1', true, ['600', '648']]);
    expect(host.outstandingRequests).toEqual([]);
  });

  it('writes a labelled file that it reads back block for block, and logs 659 at the end', async () => {
    const { world, host, drives, events } = scene();
    drives[0].load('LAB001', { ring: true });
    const request = { volume: 'LAB001', ring: true, timeoutMs: LIMIT_MS };
    const tape = await world.finish(host.requestMount(request), LIMIT_MS);
    const atMs = world.clock.nowMs();
    expect(await backup(tape, { file: 'TEST.DATA', blocks: BLOCKS, atMs })).toEqual({
      blockCount: 3,
      byteCount: 4177,
    });
    await tape.unload();
    expect(events().at(-1)).toBe('659');

    drives[0].load('LAB001', { ring: false, again: true });
    const again = await world.finish(host.requestMount({ ...request, ring: false }), LIMIT_MS);
    const read: Uint8Array[] = [];
    await restore(again, (block) => void read.push(block));
    expect(read).toEqual(BLOCKS);
  });

  it('says 619 where a tape without ring is written, and the drive says why', async () => {
    const { world, host, drives, events } = scene();
    drives[0].load('LAB001', { ring: false });
    const request = { volume: 'LAB001', ring: false, timeoutMs: LIMIT_MS };
    const tape = await world.finish(host.requestMount(request), LIMIT_MS);
    expect(await tape.tryWrite(new Uint8Array(80))).toMatchObject({
      kind: 'sense',
      sense: { key: 7, asc: 0x27, ascq: 0 },
    });
    expect(events()).toEqual(['601', '648', '619']);
  });

  it('gives a protected tape back with 619 where it needs a ring, and waits on', async () => {
    const { world, host, drives, events } = scene();
    drives[0].load('LAB001', { ring: false });
    const mounting = host.requestMount({ volume: 'LAB001', ring: true, timeoutMs: LIMIT_MS });
    await world.advance(10_000);
    expect(events()).toEqual(['600', '619', '659']);
    expect(drives[0].drive.state.volume).toBeUndefined();
    drives[0].load('LAB001', { ring: true, again: true });
    expect((await world.finish(mounting, 10_000)).volume).toBe('LAB001');
  });

  it('gives a wrong tape back with 614 on the device asked for, and an unrequested one with 640', async () => {
    const { world, host, drives, events } = scene();
    drives[0].load('OTHER', { ring: true });
    drives[1].load('THIRD', { ring: true });
    const mounting = host.requestMount({
      volume: 'LAB001',
      ring: true,
      device: '$TAPE0',
      timeoutMs: 60_000,
    });
    const outcome = mounting.catch((error: unknown) => error);
    await world.advance(10_000);
    expect(events()).toEqual(['600', '614', '659', '640', '659']);
    const error = await world.finish(outcome, 60_000);
    expect(error).toBeInstanceOf(HostError);
    expect(error).toMatchObject({ code: 'MOUNT_CANCELLED' });
    expect(events().at(-1)).toBe('649');
  });

  it('prints its events to a tape server that logs on, also those since a time', async () => {
    const { world, host } = scene();
    const listener = await host.listen({ address: HOST_ADDRESS, port: 23 });
    const startMs = world.clock.nowMs();
    void host.requestMount({ volume: 'EARLY', ring: true, timeoutMs: LIMIT_MS });
    const network = world.network.port(SERVER_ADDRESS, new Life());
    const stream = await world.finish(network.connect(listener.endpoint), 100);
    const session = new TaclSession({
      user: 'SUPER.SUPER',
      password: 'secret',
      collector: '$0',
      sinceLocalTimeMs: startMs,
    });
    const heard: string[] = [];
    const take = (effects: readonly SessionEffect[]): void => {
      for (const effect of effects) {
        if (effect.kind === 'send') void stream.write(effect.bytes);
        if (effect.kind !== 'event') continue;
        const event = parseZsvrEvent(effect.event.eventNumber, effect.event.text);
        if (event?.kind === 'mount-request') heard.push(event.volume);
      }
    };
    const reading = async (): Promise<void> => {
      for (;;) take(session.receive((await stream.read()) ?? new Uint8Array(0)));
    };
    void reading();
    await world.advance(1000);
    take(session.idle());
    void host.requestMount({ volume: 'LATE', ring: false, timeoutMs: LIMIT_MS });
    await world.advance(1000);
    take(session.idle());
    expect(heard).toEqual(['EARLY', 'LATE']);
  });
});
