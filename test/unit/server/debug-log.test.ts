import { beforeEach, describe, expect, it } from 'vitest';
import { CapstanError } from '../../../src/base/errors.ts';
import type { RotatingLogFiles } from '../../../src/ports/log-files.ts';
import type { ServerEvent } from '../../../src/server/context.ts';
import {
  DEBUG_AREAS,
  DEBUG_BACKLOG_MAX,
  DEBUG_FILE,
  DEBUG_LEVELS,
  DebugLog,
} from '../../../src/server/debug-log.ts';
import { Bench } from './bench.ts';

const NOW_MS = Date.UTC(2006, 7, 28, 16, 25, 18, 42);

class Folder implements RotatingLogFiles {
  text = '';
  readonly putBy: string[] = [];
  keptMax = 0;
  mends = 0;
  fails = false;
  /** While it is there, an append waits for it. */
  gate: Promise<void> | undefined;

  async append(name: string, text: string): Promise<void> {
    if (name !== DEBUG_FILE) throw new Error(`a file ${name}`);
    await this.gate;
    if (this.fails) throw new CapstanError('NO_SPACE', { path: name });
    this.text += text;
  }
  read = async (): Promise<string> => this.text;
  sizeBytes = async (): Promise<number> => this.text.length;
  mend = async (): Promise<void> => {
    this.mends += 1;
  };
  rotate = async (_: string, keptMax: number): Promise<void> => {
    this.putBy.push(this.text);
    this.text = '';
    this.keptMax = keptMax;
  };
}

let folder: Folder;
let log: DebugLog;
beforeEach(() => {
  folder = new Folder();
  log = new DebugLog({ nowMs: () => NOW_MS }, folder);
});

const fault: ServerEvent = { kind: 'fault', what: 'mount', reason: 'E: gone' };
const line: ServerEvent = { kind: 'ems-line', host: '\\LAB', text: 'MOUNT\u0007 LAB001' };

describe('The debug log', () => {
  it('writes errors alone until it is told otherwise, a line each', async () => {
    log.hear(line);
    log.hear(fault);
    await log.stop();
    expect(folder.text).toBe('2006-08-28 16:25:18.042|ERROR|server|fault: mount: E: gone\n');
    log.set({ level: 'debug' });
    log.hear(line);
    await log.stop();
    expect(folder.text.split('\n')[1]).toBe(
      String.raw`2006-08-28 16:25:18.042|DEBUG|ems|\LAB MOUNT  LAB001`,
    );
    expect(folder.mends).toBe(1);
  });

  it.each(DEBUG_LEVELS)('writes at the level %s that and what is worse', (least) => {
    log.set({ level: least });
    const written = DEBUG_LEVELS.filter((level) => log.writes(level, 'ems'));
    expect(written).toEqual(DEBUG_LEVELS.slice(0, DEBUG_LEVELS.indexOf(least) + 1));
  });

  it('writes of the areas alone that are asked for', () => {
    log.set({ level: 'debug', areas: ['mounts'] });
    expect(DEBUG_AREAS.filter((area) => log.writes('error', area))).toEqual(['mounts']);
  });

  it('puts the file by when it has grown over its limit, and keeps so many', async () => {
    log = new DebugLog({ nowMs: () => NOW_MS }, folder, { fileBytesMax: 200, keptMax: 3 });
    for (let count = 0; count < 10; count += 1) {
      log.hear(fault);
      await log.stop();
    }
    expect(folder.putBy.map((text) => text.split('\n').length - 1)).toEqual([4, 4]);
    expect(folder.keptMax).toBe(3);
  });

  it('loses lines where the disk is too slow or fails, and says how many', async () => {
    let open = (): void => {};
    folder.gate = new Promise((resolve) => {
      open = resolve;
    });
    for (let count = 0; count < DEBUG_BACKLOG_MAX + 20; count += 1) log.hear(fault);
    open();
    await log.stop();
    const lines = folder.text.trimEnd().split('\n');
    expect(lines.at(-1)).toMatch(/\|WARNING\|server\|\d+ lines were lost$/);
    const lost = Number(/(\d+) lines/.exec(lines.at(-1) ?? '')?.[1]);
    expect(lost + lines.length - 1).toBe(DEBUG_BACKLOG_MAX + 20);
    folder.text = '';
    folder.fails = true;
    log.hear(fault);
    await log.stop();
    log.hear(fault);
    await log.stop();
    folder.fails = false;
    log.hear(fault);
    await log.stop();
    expect(folder.text).toMatch(/fault: .*\n.*\|2 lines were lost\n$/);
  });

  it('is set by an operator, and back at errors after a restart', async () => {
    const bench = await Bench.start();
    const wanted = { level: 'debug', areas: ['ems', 'mounts'] };
    expect(await bench.east.call('server.set-debug', wanted)).toEqual(wanted);
    expect(await bench.east.call('server.debug')).toEqual(wanted);
    await bench.east.restart();
    expect(await bench.east.call('server.debug')).toEqual({ level: 'error', areas: DEBUG_AREAS });
    await expect(bench.east.call('server.set-debug', { level: 'loud' })).rejects.toThrow(/level/);
    await expect(
      bench.east.call('server.set-debug', { level: 'info', areas: ['all'] }),
    ).rejects.toThrow(/areas/);
  });
});
