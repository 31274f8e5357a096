import { describe, expect, it } from 'vitest';
import { NOT_A_COMMAND } from '../../../../harness/hosts/tacl-commands.ts';
import { scene } from './host-scene.ts';

const DAY_MS = 86_400_000;

describe('$0', () => {
  it('logs a line written to it as event 512, cut to 102 characters', () => {
    const { host } = scene();
    host.collector.write('$FUP', `VTSPolicy ${'x'.repeat(200)}`);
    const text = host.emsLines.map((line) => line.trim()).join(' ');
    expect(text).toContain('TANDEM.EMS.H06');
    expect(text).toContain('000512 VTSPolicy');
    expect(/x+/.exec(text)?.[0]).toHaveLength(92);
  });

  it('gives a distributor what its filter passes, old events and new ones', () => {
    const { host, world } = scene();
    host.collector.addFilter(
      '$SYSTEM.TAPE.FILTER',
      `FILTER F; BEGIN
         IF ZSPI^TKN^SSID = SSID(ZTAP^VAL^SSID) AND ZTAP^TKN^TAPE^VOLUME = "LAB001" THEN PASS;
         IF ZEMS^TKN^EVENTNUMBER = ZEMS^EVT^WRITE^TO^0 AND ZEMS^TKN^EMPHASIS = TRUE THEN PASS;
       END;`,
    );
    const heard: string[] = [];
    const sinceLocalTimeMs = Math.floor(world.clock.nowMs() / 1000) * 1000;
    void host.requestMount({ volume: 'LAB001', ring: true, timeoutMs: 1000 });
    host.collector.distribute((lines) => heard.push(lines), {
      sinceLocalTimeMs,
      filter: '$system.tape.filter',
    });
    void host.requestMount({ volume: 'LAB002', ring: true, timeoutMs: 1000 });
    host.collector.write('$FUP', 'quiet');
    host.collector.write('$FUP', 'loud\u0007');
    expect(heard.map((lines) => /00(0\d+) (\S+ ?\S*)/.exec(lines)?.[0].trim())).toEqual([
      '000600 $ZSVR: 0000',
      '000512 loud',
    ]);
    expect(() => host.collector.distribute(() => {}, { filter: '$A.B.C' })).toThrow(
      'No filter is named $A.B.C.',
    );
  });
});

describe('FUP', () => {
  it('copies a file to $0 line by line', async () => {
    const { host } = scene();
    host.files.put('$DATA.TAPE.POLICY', ['VTSPolicy IDR NIGHTLY', 'VTSPolicy IDR WEEKLY']);
    expect(await host.command('FUP COPY $data.tape.policy, $0')).toEqual(['2 RECORDS TRANSFERRED']);
    expect(host.emsLines.filter((line) => line.includes('VTSPolicy IDR'))).toHaveLength(2);
  });

  it.each([
    ['FUP COPY NONE,$0', '*ERROR* NONE: file not found (11)'],
    ['FUP COPY ../etc/passwd,$0', '*ERROR* Invalid file name: ../etc/passwd'],
    ['FUP COPY A,$SPOOL', '*ERROR* Expecting COPY file, $0'],
    ['FUP PURGE A', '*ERROR* Expecting COPY file, $0'],
    ['SCF RESET TAPE $TAPE9', 'SCF E00004 $TAPE9: device not found'],
    ['RUN AWAY', NOT_A_COMMAND],
    ['', NOT_A_COMMAND],
  ])('says to "%s": %s', async (line, text) => {
    expect((await scene().host.command(line))[0]).toBe(text);
  });
});

describe('SCF', () => {
  it('resets a device, whose tape it gives back, unless a job uses it', async () => {
    const { host, world, drives } = scene();
    drives[1].load('LAB009', { ring: true });
    expect(await host.command('SCF RESET TAPE $TAPE1')).toEqual([]);
    expect(drives[1].drive.state.volume).toBeUndefined();
    drives[0].load('LAB001', { ring: true });
    await world.finish(host.requestMount({ volume: 'LAB001', ring: true, timeoutMs: 9000 }), 9000);
    expect(await host.command('SCF RESET TAPE $TAPE0')).toEqual(['*ERROR* $TAPE0: device in use']);
  });
});

describe('NetBatch', () => {
  it('runs a job at its time each day, one after another, and logs how it went', async () => {
    const { host, world } = scene();
    const begun: number[] = [];
    const cancel = host.netBatch.submit({
      name: 'NIGHTLY',
      at: { hour: 3, minute: 30 },
      run: () => {
        begun.push(world.clock.nowMs());
        return begun.length === 2 ? Promise.reject(new Error('no tape')) : Promise.resolve();
      },
    });
    await world.advance(3 * DAY_MS);
    cancel();
    await world.advance(2 * DAY_MS);
    expect(begun).toHaveLength(3);
    expect(begun.map((ms) => ms % DAY_MS)).toEqual(Array.from({ length: 3 }, () => 12_600_000));
    expect(host.netBatch.runs.map((run) => run.failure)).toEqual([undefined, 'no tape', undefined]);
    const text = host.emsLines.map((line) => line.trim()).join(' ');
    expect(text).toContain('JOB NIGHTLY FAILED: no tape');
  });
});
