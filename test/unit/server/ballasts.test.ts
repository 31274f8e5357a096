import { beforeEach, describe, expect, it } from 'vitest';
import { World } from '../../../harness/world/world.ts';
import { CapstanError } from '../../../src/base/errors.ts';
import type { Ballast } from '../../../src/ports/ballast.ts';
import type { VaultRow } from '../../../src/ports/catalog.ts';
import { Ballasts, HOLD_INTERVAL_MS } from '../../../src/server/ballasts.ts';
import type { BallastsOptions } from '../../../src/server/ballasts.ts';

const FULL = new CapstanError('NO_SPACE', { path: '/vault' });

let world: World;
let isHeld: Record<string, boolean>;
let hasRoom: boolean;
let ballasts: Ballasts;

const ballast = (name: string): Ballast => ({
  hold: () => Promise.resolve((isHeld[name] ||= hasRoom)),
  release: () => {
    const was = isHeld[name] === true;
    isHeld[name] = false;
    return Promise.resolve(was);
  },
});

beforeEach(async () => {
  world = new World(1);
  isHeld = {};
  hasRoom = true;
  const vaults = ['VAULT00', 'CLOSED'].map((name) => ({ name, path: `/${name}`, createdAtMs: 0 }));
  ballasts = new Ballasts({
    ports: {
      clock: world.clock,
      catalog: { listVaults: () => Promise.resolve(vaults) },
      ballasts: { catalog: ballast('catalog'), vault: ({ name }: VaultRow) => ballast(name) },
    } as unknown as BallastsOptions['ports'],
    background: (_, work) => void work(),
  });
  await ballasts.start(() => ['VAULT00']);
});

describe('room that is held back', () => {
  it('is held beside the catalog and in open vaults', () => {
    expect(isHeld).toEqual({ catalog: true, VAULT00: true });
  });

  it('is given up for what finds none, which runs again, and is held again', async () => {
    const found: unknown[] = [];
    const result = await ballasts.rescue(() => {
      found.push({ ...isHeld });
      return found.length === 1 ? Promise.reject(FULL) : Promise.resolve('done');
    });
    expect(result).toBe('done');
    expect(found).toEqual([
      { catalog: true, VAULT00: true },
      { catalog: false, VAULT00: false },
    ]);
    await world.advance(0);
    expect(isHeld).toEqual({ catalog: true, VAULT00: true });
  });

  it('is held again only once all that asked for it are done, of whom each runs again', async () => {
    const ends: (() => void)[] = [];
    const rescue = (name: string) => {
      let calls = 0;
      return ballasts.rescue(() => {
        calls += 1;
        return calls === 1
          ? Promise.reject(FULL)
          : new Promise<string>((resolve) => ends.push(() => resolve(name)));
      });
    };
    const first = rescue('first');
    await world.advance(0);
    const second = rescue('second');
    await world.advance(0);
    expect(ends).toHaveLength(2);
    ends[0]?.();
    expect(await first).toBe('first');
    ballasts.holdAgain();
    await world.advance(0);
    expect(isHeld).toEqual({ catalog: false, VAULT00: false });
    ends[1]?.();
    expect(await second).toBe('second');
    expect(isHeld).toEqual({ catalog: true, VAULT00: true });
  });

  it('stays where something else than room is missing, and where nothing is held', async () => {
    let calls = 0;
    const fail = (error: Error) => () => {
      calls += 1;
      return Promise.reject(error);
    };
    const broken = new CapstanError('DISK_IO', { place: '/vault', what: 'EIO' });
    await expect(ballasts.rescue(fail(broken))).rejects.toBe(broken);
    expect([calls, isHeld]).toEqual([1, { catalog: true, VAULT00: true }]);
    hasRoom = false;
    await expect(ballasts.rescue(fail(FULL))).rejects.toBe(FULL);
    expect(calls).toBe(3);
    await expect(ballasts.rescue(fail(FULL))).rejects.toBe(FULL);
    expect(calls).toBe(4);
  });

  it('is made up for once there is room, and not looked at any more then', async () => {
    hasRoom = false;
    await expect(ballasts.rescue(() => Promise.reject(FULL))).rejects.toBe(FULL);
    await world.advance(HOLD_INTERVAL_MS);
    expect(isHeld['catalog']).toBe(false);
    hasRoom = true;
    await world.advance(HOLD_INTERVAL_MS);
    expect(isHeld).toEqual({ catalog: true, VAULT00: true });
    isHeld['catalog'] = false;
    await world.advance(10 * HOLD_INTERVAL_MS);
    expect(isHeld['catalog']).toBe(false);
  });
});
