import { describe, expect, it } from 'vitest';
import { HostError } from '../../../../harness/hosts/host-error.ts';
import type { MountOptions, MountedTape } from '../../../../harness/hosts/mount-request.ts';
import { parseTapedriveStatus } from '../../../../src/ems/tapedrive-status.ts';
import { encodeLabel } from '../../../../src/tape/labels.ts';
import { LIMIT_MS, scene } from './host-scene.ts';
import type { Scene } from './host-scene.ts';

/** Asks, and keeps what came of it. */
function ask(
  { host }: Scene,
  options: Partial<MountOptions>,
): { tape?: MountedTape; error?: unknown } {
  const result: { tape?: MountedTape; error?: unknown } = {};
  host.requestMount({ ring: true, timeoutMs: LIMIT_MS, ...options }).then(
    (tape) => {
      result.tape = tape;
    },
    (error: unknown) => {
      result.error = error;
    },
  );
  return result;
}

const texts = ({ host }: Scene): string => host.emsLines.map((line) => line.trim()).join(' ');

describe('$ZSVR', () => {
  it.each([
    [{ volume: 'A1' }, '000600 $ZSVR: 0000 MOUNT A1 WITH RING'],
    [
      { volume: 'A1', ring: false, reel: 2, device: '$TAPE0' },
      '000601 $ZSVR: 0000 MOUNT A1 REEL 2',
    ],
    [{ scratch: true }, '000602 $ZSVR: 0000 MOUNT SCRATCH TAPE WITH RING'],
    [{ scratch: true, volume: 'S1' }, '000602 $ZSVR: 0000 MOUNT SCRATCH TAPE S1 WITH RING'],
    [{ volume: 'I1', labels: 'IBM' }, '000603 $ZSVR: 0000 MOUNT IBM I1 WITH RING'],
    [{ volume: 'I1', labels: 'IBM', ring: false }, '000604 $ZSVR: 0000 MOUNT IBM I1 NO RING'],
    [
      { volume: 'I1', labels: 'IBM', scratch: true },
      '000605 $ZSVR: 0000 MOUNT IBM SCRATCH TAPE I1 WITH RING',
    ],
    [{ labels: 'NL', device: '$TAPE0' }, '000606 $ZSVR: 0000 REQUEST TO USE $TAPE0 UNLABELED'],
    [{ labels: 'BLP', device: '$TAPE0' }, '000607 $ZSVR: 0000 REQUEST TO USE $TAPE0 BYPASS LABELS'],
    [{ volume: 'T1', labels: 'TMF' }, '000609 $ZSVR: 0000 MOUNT TMF T1 WITH RING'],
    [{ volume: 'T1', labels: 'TMF', ring: false }, '000610 $ZSVR: 0000 MOUNT TMF T1 NO RING'],
  ] as const)('asks for %j by "%s"', (options, text) => {
    const made = scene();
    ask(made, options);
    expect(texts(made)).toContain(text);
  });

  it('takes any scratch tape of the right labels for a scratch request, and says who uses it', async () => {
    const made = scene();
    const result = ask(made, { scratch: true, process: '$BACK' });
    made.drives[1].load('SCR1', { ring: true });
    await made.world.advance(2_000);
    expect(result.tape).toMatchObject({ volume: 'SCR1', device: '$TAPE1' });
    expect(made.events()).toEqual(['602', '648', '660']);
    expect(texts(made)).toContain(
      String.raw`STATUS 1516 - SCR1 TAPE ON DRIVE $TAPE1 USED BY \LAB.$BACK`,
    );
  });

  it.each([
    [{ labels: 'IBM' }, { type: 'ANSI' }, '617'],
    [{ labels: 'ANSI' }, { type: 'IBM' }, '618'],
    [{ labels: 'BACKUP' }, { type: 'IBM' }, '622'],
    [{ labels: 'TMF' }, { ring: false }, '619'],
  ] as const)('refuses for %j a tape like %j with %s, and waits on', async (wish, tape, number) => {
    const made = scene();
    const result = ask(made, { volume: 'LAB001', ...wish });
    made.drives[0].load('LAB001', { ring: true, ...tape });
    await made.world.advance(2_000);
    expect(made.events().slice(1)).toEqual([number, '659']);
    expect(result).toEqual({});
    expect(made.host.outstandingRequests).toEqual([0]);
    const type = wish.labels === 'IBM' ? 'IBM' : 'ANSI';
    made.drives[0].load('LAB001', { ring: true, type });
    await made.world.advance(2_000);
    expect(result.tape?.volume).toBe('LAB001');
  });

  it('takes a tape with IBM labels for an IBM request', async () => {
    const made = scene();
    const result = ask(made, { volume: 'I00001', labels: 'IBM', ring: false });
    made.drives[0].load('I00001', { ring: false, type: 'IBM' });
    await made.world.advance(2_000);
    expect(result.tape).toMatchObject({ volume: 'I00001', ring: false });
  });

  it('protects a file from being written over until the day it expires (613)', async () => {
    const made = scene();
    const { world, drives } = made;
    const year = new Date(world.clock.nowMs()).getUTCFullYear();
    const file = {
      file: 'OLD',
      fileSet: 'LAB001',
      section: 1,
      sequence: 1,
      generation: 1,
    } as const;
    const first = ask(made, { volume: 'LAB001' });
    drives[0].load('LAB001', { ring: true });
    await world.advance(2_000);
    await first.tape?.operations.rewind();
    for (const label of [
      { kind: 'VOL1', type: 'BACKUP', volume: 'LAB001', owner: '' },
      {
        kind: 'HDR1',
        ...file,
        version: 0,
        expiration: { year: year + 1, dayOfYear: 32 },
        blockCount: 0,
        system: '',
      },
    ] as const) {
      await first.tape?.operations.writeBlock(encodeLabel(label));
    }
    await first.tape?.unload();
    const writing = ask(made, { volume: 'LAB001', timeoutMs: 500 * 86_400_000 });
    drives[0].load('LAB001', { ring: true, again: true });
    await world.advance(2_000);
    expect(made.events().slice(-2)).toEqual(['613', '659']);
    // Reading it is no harm.
    const reading = ask(made, { volume: 'LAB001', ring: false, device: '$TAPE1' });
    made.host.zsvr.reject(1);
    drives[1].load('LAB001', { ring: false, again: true });
    await world.advance(2_000);
    expect(writing.error).toMatchObject({ code: 'MOUNT_REJECTED' });
    expect(reading.tape?.volume).toBe('LAB001');
  });

  it('tells an application of error 194 where the operator rejects its mount', async () => {
    const made = scene();
    const result = ask(made, { volume: 'LAB001' });
    expect(made.host.zsvr.reject(0)).toBe(true);
    expect(made.host.zsvr.reject(0)).toBe(false);
    await made.world.advance(2_000);
    expect(result.error).toBeInstanceOf(HostError);
    expect(result.error).toMatchObject({ code: 'MOUNT_REJECTED', fileSystemError: 194 });
    expect(made.events()).toEqual(['600', '651', '634', '636']);
    expect(texts(made)).toContain('REQUEST FOR VOLUME LAB001 REJECTED BY OPERATOR');
  });

  it('cancels the requests of a processor that fails (649), and takes its tapes out of use', async () => {
    const made = scene();
    const used = ask(made, { volume: 'LAB001', cpu: 1 });
    made.drives[0].load('LAB001', { ring: true });
    await made.world.advance(2_000);
    const lost = ask(made, { volume: 'LAB002', cpu: 1 });
    const other = ask(made, { volume: 'LAB003', cpu: 2 });
    const device = ask(made, { labels: 'NL', device: '$TAPE1', cpu: 1 });
    made.host.zsvr.failCpu(1);
    await made.world.advance(2_000);
    expect(used.tape).toBeDefined();
    expect(lost.error).toMatchObject({ code: 'CPU_FAILED' });
    expect(device.error).toMatchObject({ code: 'CPU_FAILED' });
    expect(other).toEqual({});
    // The tape that nobody uses any more is found, and given back.
    expect(made.events()).toEqual(['600', '648', '600', '600', '606', '649', '650', '640', '659']);
  });

  it('gives an unlabelled tape to who asked for one once the operator accepts it', async () => {
    const made = scene();
    const result = ask(made, { labels: 'NL', device: '$TAPE0' });
    expect(made.host.zsvr.accept(0)).toBe('no tape is on $TAPE0');
    made.drives[0].load('LAB001', { ring: true });
    await made.world.advance(2_000);
    expect(made.events().slice(1)).toEqual(['616', '659']);
    made.drives[0].load('PLAIN', { ring: true, type: null });
    await made.world.advance(2_000);
    expect(result).toEqual({});
    expect(made.host.zsvr.accept(0)).toBeUndefined();
    await made.world.advance(0);
    expect(result.tape).toMatchObject({ volume: '', device: '$TAPE0' });
    expect(made.events().slice(3)).toEqual(['652', '637']);
    expect(made.host.zsvr.accept(0)).toBe('no such request');
  });

  it('keeps a tape that nobody asked for, where it is told to, for a later request', async () => {
    const made = scene({ keepsUnrequested: true });
    made.drives[0].load('LAB002', { ring: true });
    made.drives[1].load('X', { ring: true, type: null });
    ask(made, { volume: 'LAB001', timeoutMs: 10_000 });
    await made.world.advance(5_000);
    expect(made.events()).toEqual(['600', '640', '608']);
    const result = ask(made, { volume: 'LAB002' });
    await made.world.advance(5_000);
    expect(result.tape?.volume).toBe('LAB002');
    expect(texts(made)).toContain('STATUS 1504 - VOLUME LAB002 ON $TAPE0 MATCHES REQUEST 0001');
  });
});

describe('a tape whose label cannot be read', () => {
  const run = (made: Scene, line: string, user?: string): Promise<readonly string[]> =>
    made.host.command(`MEDIACOM ${line}`, user);

  it('stays in for the request (608), which the job gets where the operator accepts it', async () => {
    const made = scene();
    const result = ask(made, { volume: 'LAB001', process: '$BACK' });
    made.drives[1].load('LAB001', { ring: true, type: null });
    await made.world.advance(10_000);
    expect(made.events()).toEqual(['600', '608']);
    expect(await run(made, 'STATUS TAPEMOUNT 0')).toContain(
      String.raw`0000   LAB001  UNREADABLE \LAB.$TAPE1       NO     ACCEPT or REJECT TAPEMOUNT`,
    );
    expect(result).toEqual({});
    expect(await run(made, 'ACCEPT TAPEMOUNT 0')).toEqual(['TAPEMOUNT ACCEPTED']);
    await made.world.advance(0);
    expect(result.tape).toMatchObject({ volume: 'LAB001', device: '$TAPE1' });
    expect(made.events()).toEqual(['600', '608', '648', '637', '660']);
  });

  it('goes back where the operator rejects the request', async () => {
    const made = scene();
    const result = ask(made, { volume: 'LAB001' });
    made.drives[0].load('LAB001', { ring: true, type: null });
    ask(made, { volume: 'LAB002' });
    await made.world.advance(5_000);
    expect(await run(made, 'REJECT TAPEMOUNT 0')).toEqual(['TAPEMOUNT REJECTED']);
    expect(made.events()).toEqual(['600', '600', '608', '651', '634', '636']);
    made.host.zsvr.reject(1);
    ask(made, { volume: 'LAB003', device: '$TAPE1' });
    await made.world.advance(5_000);
    expect(result.error).toMatchObject({ fileSystemError: 194 });
    expect(made.events().slice(-1)).toEqual(['639']);
    expect(made.drives[0].drive.state.volume).toBeUndefined();
  });

  it('goes back where the right tape comes in elsewhere', async () => {
    const made = scene();
    const result = ask(made, { volume: 'LAB001' });
    made.drives[0].load('LAB001', { ring: true, type: null });
    await made.world.advance(5_000);
    made.drives[1].load('LAB001', { ring: true });
    await made.world.advance(5_000);
    expect(result.tape).toMatchObject({ device: '$TAPE1' });
    ask(made, { volume: 'LAB002', device: '$TAPE1' });
    await made.world.advance(5_000);
    expect(made.drives[0].drive.state.volume).toBeUndefined();
  });

  it('is answered for by the super group alone', async () => {
    const made = scene();
    ask(made, { volume: 'LAB001' });
    made.drives[0].load('LAB001', { ring: true, type: null });
    await made.world.advance(5_000);
    for (const verb of ['ACCEPT', 'REJECT']) {
      expect(await run(made, `${verb} TAPEMOUNT 0`, 'TAPES.NIGHT')).toEqual([
        `*ERROR* ${verb} TAPEMOUNT: security violation, only the super group may (error 48)`,
      ]);
    }
    expect(made.host.outstandingRequests).toEqual([0]);
    expect(await run(made, 'STATUS TAPEMOUNT 0', 'TAPES.NIGHT')).toHaveLength(3);
    expect(await run(made, 'ACCEPT TAPEMOUNT 0', '255,7')).toEqual(['TAPEMOUNT ACCEPTED']);
  });
});

describe('MEDIACOM', () => {
  it('shows drives that are stopped, and drives that do not answer', async () => {
    const made = scene();
    const run = (line: string, user?: string): Promise<readonly string[]> =>
      made.host.command(line, user);
    expect(await run('SCF STOP TAPE $TAPE0', 'TAPES.NIGHT')).toEqual([
      'SCF E00011 $TAPE0: security violation',
      '*ERROR* Not done',
    ]);
    expect(await run('SCF STOP TAPE $TAPE0')).toEqual([]);
    made.drives[0].load('LAB001', { ring: true });
    made.drives[1].isGone = true;
    const result = ask(made, { volume: 'LAB001' });
    await made.world.advance(5_000);
    expect(result).toEqual({});
    const status = await run('MEDIACOM STATUS TAPEDRIVE');
    expect(status.slice(1)).toEqual(['$TAPE0      DOWN', '$TAPE1      UNAVL']);
    expect([...(parseTapedriveStatus(status) ?? [])]).toEqual([
      ['$TAPE0', 'DOWN'],
      ['$TAPE1', 'UNAVL'],
    ]);
    await run('SCF START TAPE $TAPE0');
    await made.world.advance(5_000);
    expect(result.tape).toMatchObject({ device: '$TAPE0' });
  });

  it('shows what is asked for, and what the operator is to do', async () => {
    const made = scene();
    const { host } = made;
    const run = (line: string): Promise<readonly string[]> => host.command(`MEDIACOM ${line}`);
    expect(await run('STATUS TAPEMOUNT')).toEqual(['*WARNING* No tape mounts found']);
    ask(made, { volume: 'LAB001', device: '$TAPE0' });
    ask(made, { scratch: true });
    ask(made, { labels: 'NL', device: '$TAPE1', ring: false, comment: 'from the vault' });
    expect(await run('status  tapemount')).toEqual([
      'Tape   Tape    Label   Node or           Write  Action',
      'Mount  Name    Type    Device            Prot   Needed',
      String.raw`0000   LAB001  ANSI    \LAB.$TAPE0       NO     MOUNT REQUESTED TAPE`,
      String.raw`0001           ANSI    \LAB              NO     MOUNT SCRATCH TAPE`,
      String.raw`0002           NL      \LAB.$TAPE1       YES    ACCEPT or REJECT TAPEMOUNT`,
    ]);
    expect(await run('STATUS TAPEMOUNT 0002, DETAIL')).toContain('Comment        from the vault');
    expect(await run('STATUS TAPEMOUNT 1')).toHaveLength(3);
  });

  it('shows the drives, rejects and accepts', async () => {
    const made = scene();
    const run = (line: string): Promise<readonly string[]> => made.host.command(`MEDIACOM ${line}`);
    const result = ask(made, { volume: 'LAB001' });
    made.drives[0].load('LAB001', { ring: true });
    await made.world.advance(2_000);
    expect(result.tape).toBeDefined();
    expect(await run('STATUS TAPEDRIVE')).toEqual([
      'Tape Drive  Status  Tape Name  Label Type',
      '$TAPE0      INUSE   LAB001',
      '$TAPE1      FREE',
    ]);
    ask(made, { volume: 'LAB002' });
    expect(await run('ACCEPT TAPEMOUNT 1')).toEqual([
      '*ERROR* Tape mount 1: a labelled tape is accepted when it is online',
    ]);
    expect(await run(String.raw`REJECT TAPEMOUNT \LAB.0001`)).toEqual(['TAPEMOUNT REJECTED']);
    expect(await run('REJECT TAPEMOUNT 1')).toEqual(['*ERROR* Tape mount 1 does not exist']);
    expect(await run(String.raw`REJECT TAPEMOUNT \DR.0001`)).toEqual([
      String.raw`*ERROR* \DR: no such node`,
    ]);
    expect(await run('EXPLODE')).toEqual(['*ERROR* Command not recognized']);
  });

  it('picks another tape for a job: the request is cancelled and made anew', async () => {
    const made = scene();
    const run = (line: string): Promise<readonly string[]> => made.host.command(`MEDIACOM ${line}`);
    const result = ask(made, { volume: 'T1', labels: 'TMF' });
    expect(await run('ALTER TAPEMOUNT 0, TAPENAME LAB002')).toEqual([
      'TAPEMOUNT ALTERED, NOW 0001',
    ]);
    expect(made.host.outstandingRequests).toEqual([1]);
    expect(made.events()).toEqual(['609', '649', '609']);
    expect(texts(made)).toContain('$ZSVR: 0001 MOUNT TMF LAB002 WITH RING');
    made.drives[0].load('LAB002', { ring: true });
    await made.world.advance(2_000);
    expect(result.tape).toMatchObject({ volume: 'LAB002', requestNumber: 1 });
    expect(await run('ALTER TAPEMOUNT 0, TAPENAME LAB001')).toEqual([
      '*ERROR* Tape mount 0: no such request',
    ]);
    expect(await run('ALTER TAPEMOUNT 0')).toEqual(['*ERROR* Command not recognized']);
    expect(await run('REJECT TAPEMOUNT 0, TAPENAME A')).toEqual(['*ERROR* Command not recognized']);
  });
});
