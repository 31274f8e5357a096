import { describe, expect, it } from 'vitest';
import { generation } from '../../../src/base/units.ts';
import type { TapeImage } from '../../../src/ports/engine.ts';
import { IscMounts } from '../../../src/server/isc-mounts.ts';
import type { GuestMount } from '../../../src/server/isc-mounts.ts';
import { FakeClock, settle } from './ems-fakes.ts';

const RESUME_MS = 30_000;

interface Session {
  readonly server: string;
  gone: boolean;
}

interface Scene {
  readonly clock: FakeClock;
  readonly mounts: IscMounts;
  readonly first: Session;
  readonly givenUp: readonly string[];
}

/** West has the tapes LAB001 and LAB002, in its first session. */
function twoMounts(): Scene {
  const clock = new FakeClock();
  const givenUp: string[] = [];
  const mounts = new IscMounts({
    clock,
    resumeMs: RESUME_MS,
    giveUp: async ({ tape }) => {
      givenUp.push(tape);
      return true;
    },
    background: (_, work) => void work(),
  });
  const first = { server: 'west', gone: false };
  for (const tape of ['LAB001', 'LAB002']) {
    const mount: GuestMount = {
      token: tape,
      server: 'west',
      tape,
      vault: 'VAULT00',
      ring: true,
      host: '\\LAB',
      startGeneration: generation(1),
      image: {} as TapeImage,
      closedAt: undefined,
    };
    mounts.add(mount, first);
  }
  return { clock, mounts, first, givenUp };
}

function end(mounts: IscMounts, session: Session): void {
  session.gone = true;
  mounts.park(session);
}

const TOKENS = ['LAB001', 'LAB002'];

describe('the mounts of a guest', () => {
  it('go on in its next session, and are given up where none comes', async () => {
    const { clock, mounts, first, givenUp } = twoMounts();
    end(mounts, first);
    await clock.advance(RESUME_MS - 1);
    const second = { server: 'west', gone: false };
    expect(await mounts.claim(second, TOKENS)).toEqual(TOKENS);
    await clock.advance(RESUME_MS);
    expect(givenUp).toEqual([]);
    end(mounts, second);
    await clock.advance(RESUME_MS);
    expect(givenUp).toEqual(TOKENS);
    expect(mounts.tapesOf('west')).toEqual([]);
  });

  it('are given up where the session ends that is just claiming them', async () => {
    const { clock, mounts, first, givenUp } = twoMounts();
    let finish = (): void => {};
    const reading = mounts.run(
      first,
      'LAB001',
      () => new Promise<void>((resolve) => (finish = resolve)),
    );
    await settle();
    end(mounts, first);
    const second = { server: 'west', gone: false };
    const claiming = mounts.claim(second, TOKENS);
    await settle();
    end(mounts, second);
    finish();
    await Promise.all([reading, claiming]);
    await clock.advance(RESUME_MS);
    expect(givenUp).toEqual(TOKENS);
  });

  it('are given up where the session had ended before it could claim them', async () => {
    const { clock, mounts, first, givenUp } = twoMounts();
    end(mounts, first);
    expect(await mounts.claim({ server: 'west', gone: true }, TOKENS)).toEqual([]);
    await clock.advance(RESUME_MS);
    expect(givenUp).toEqual(TOKENS);
  });
});
