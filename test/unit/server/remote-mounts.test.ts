import { describe, expect, it } from 'vitest';
import { generation, logicalObjectNumber } from '../../../src/base/units.ts';
import type { IscSession } from '../../../src/isc/session.ts';
import type { ServerContext } from '../../../src/server/context.ts';
import { RemoteMounts } from '../../../src/server/remote-mounts.ts';
import type { RemoteMount } from '../../../src/server/remote-mounts.ts';
import { TAPE } from '../../conformance/catalog-rows.ts';
import { FakeClock, settle } from './ems-fakes.ts';

const RESUME_MS = 30_000;

/** A session whose other side mounts what it is asked for, and answers nothing else. */
const session = {
  ended: false,
  peer: 'east',
  call: (method: string) =>
    method === 'mount'
      ? Promise.resolve({
          result: { generation: generation(0), tape: [{ is: 'tape', row: TAPE }], partitions: [] },
          data: new Uint8Array(),
        })
      : new Promise(() => undefined),
} as unknown as IscSession;

interface Scene {
  readonly clock: FakeClock;
  readonly mounts: RemoteMounts;
  readonly mount: RemoteMount;
  readonly lost: readonly string[];
}

async function mounted(): Promise<Scene> {
  const clock = new FakeClock();
  const lost: string[] = [];
  const context = {
    ports: { clock, random: { bytes: (count: number) => new Uint8Array(count) } },
    eventLog: { report: () => undefined },
    background: (_: string, work: () => Promise<void>) => void work(),
  } as unknown as ServerContext;
  const interrupt = (tape: string): Promise<void> => Promise.resolve(void lost.push(tape));
  const mounts = new RemoteMounts({ context, resumeMs: RESUME_MS, interrupt });
  const request = { ring: true, drive: 'VTD00', host: '\\LAB', requestNumber: 7 };
  const mount = await mounts.open({ server: 'east', session }, TAPE, request);
  return { clock, mounts, mount, lost };
}

/** A command of the drive behind the end of the session: how it ends, once it does. */
function locate({ image }: RemoteMount): () => string | undefined {
  let outcome: string | undefined;
  image.locate({ partition: 0, at: logicalObjectNumber(0) }).catch((error: unknown) => {
    outcome = String(error);
  });
  return () => outcome;
}

describe('a tape whose session with its keeper has ended', () => {
  it('waits for the next one for so long, and is taken out then', async () => {
    const { clock, mounts, mount, lost } = await mounted();
    mounts.suspend(session);
    const outcome = locate(mount);
    await clock.advance(RESUME_MS - 1);
    expect([outcome(), lost]).toEqual([undefined, []]);
    await clock.advance(1);
    expect(outcome()).toContain('there was no session for 30 s');
    expect(lost).toEqual(['LAB001']);
  });

  it.each(['before', 'behind'] as const)(
    'waits for nothing where the server stops (the session ends %s that)',
    async (when) => {
      const { clock, mounts, mount } = await mounted();
      if (when === 'before') mounts.suspend(session);
      const early = when === 'before' ? locate(mount) : undefined;
      mounts.letGo();
      if (when === 'behind') mounts.suspend(session);
      const outcome = early ?? locate(mount);
      await settle();
      expect(outcome()).toContain('the server stops');
      expect(clock.timerCount).toBe(0);
    },
  );
});
