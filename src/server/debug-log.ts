/**
 * The debug log: what the program does, for who looks for the cause of a trouble; the event log is for
 * operators.
 *
 *   2006-08-28 16:25:18.042|DEBUG|ems|\LAB $ZSVR: 0007 MOUNT LAB001 WITH RING
 *
 * A line has a time (UTC), a level, an area and a text. The level is `error` after each start of the server;
 * an operator sets another one, and the areas that are written. Lines wait in memory and are written in
 * batches; where the disk is slower than they come, or fails, lines are lost and their number is told. The
 * file is put by when it has grown over its limit. No secret is written: of an operation its name and
 * its caller, not its parameters.
 *
 * @source VTS 6.04.01 Installation Guide, p. 132: the level goes back to Error at each restart. The levels'
 * names, the areas and the file are ours.
 */
import { formatTimestamp } from '../base/civil-time.ts';
import { isCapstanError } from '../base/errors.ts';
import { MIB } from '../base/units.ts';
import type { Clock } from '../ports/clock.ts';
import type { RotatingLogFiles } from '../ports/log-files.ts';
import type { ServerEvent } from './context.ts';

/** From the least that is written to the most. */
export const DEBUG_LEVELS = ['error', 'warning', 'info', 'debug'] as const;
export type DebugLevel = (typeof DEBUG_LEVELS)[number];

export const DEBUG_AREAS = ['ems', 'mounts', 'copies', 'media', 'operations', 'server'] as const;
export type DebugArea = (typeof DEBUG_AREAS)[number];

export const DEBUG_FILE = 'debug.log';
/** Lines that wait for the disk. */
export const DEBUG_BACKLOG_MAX = 10_000;
const TEXT_CHARS_MAX = 1000;

export interface DebugFilePolicy {
  /** A file that is larger is put by. */
  readonly fileBytesMax: number;
  /** Files that were put by. */
  readonly keptMax: number;
}

export const DEBUG_FILE_POLICY: DebugFilePolicy = { fileBytesMax: 16 * MIB, keptMax: 5 };

/** What is written. */
export interface DebugState {
  readonly level: DebugLevel;
  readonly areas: readonly DebugArea[];
}

export class DebugLog {
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #files: RotatingLogFiles | undefined;
  readonly #policy: DebugFilePolicy;
  #state: DebugState = { level: 'error', areas: DEBUG_AREAS };
  #waiting: string[] = [];
  #lostCount = 0;
  /** Whether what a crash left of the file was put right. */
  #isMended = false;
  #writing: Promise<void> | undefined;

  /** Without files nothing is written. */
  constructor(
    clock: Pick<Clock, 'nowMs'>,
    files: RotatingLogFiles | undefined,
    policy: Partial<DebugFilePolicy> = {},
  ) {
    this.#clock = clock;
    this.#files = files;
    this.#policy = { ...DEBUG_FILE_POLICY, ...policy };
  }

  get state(): DebugState {
    return this.#state;
  }

  set(state: Partial<DebugState>): void {
    this.#state = { ...this.#state, ...state };
  }

  /** Whether such a line is written, for who would have to look for its text. */
  writes(level: DebugLevel, area: DebugArea): boolean {
    const { level: least, areas } = this.#state;
    const isWanted = DEBUG_LEVELS.indexOf(level) <= DEBUG_LEVELS.indexOf(least);
    return this.#files !== undefined && isWanted && areas.includes(area);
  }

  /** Returns at once. */
  write(level: DebugLevel, area: DebugArea, text: string): void {
    if (!this.writes(level, area)) return;
    if (this.#waiting.length >= DEBUG_BACKLOG_MAX) this.#lostCount += 1;
    else this.#waiting.push(this.#line(level, area, text));
    this.#writing ??= this.#drain().finally(() => {
      this.#writing = undefined;
    });
  }

  /** What happens in the server. */
  hear(event: ServerEvent): void {
    const { level, area, text } = debugLineOf(event);
    if (this.writes(level, area)) this.write(level, area, text());
  }

  /** Resolves when all that was written lies in the file, or is lost. */
  async stop(): Promise<void> {
    await this.#writing;
  }

  #line(level: DebugLevel, area: DebugArea, text: string): string {
    const nowMs = this.#clock.nowMs();
    const time = `${formatTimestamp(nowMs)}.${String(nowMs % 1000).padStart(3, '0')}`;
    const clean = text.replaceAll(/[^ -~]+/g, ' ').slice(0, TEXT_CHARS_MAX);
    return `${time}|${level.toUpperCase()}|${area}|${clean}\n`;
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0 || this.#lostCount > 0) {
      const lines = this.#waiting.splice(0);
      const lost = this.#lostCount;
      this.#lostCount = 0;
      if (lost > 0) lines.push(this.#line('warning', 'server', `${lost} lines were lost`));
      if (!(await this.#append(lines.join('')))) {
        // The next line that comes tries again.
        this.#lostCount += lost + lines.length - (lost > 0 ? 1 : 0);
        return;
      }
    }
  }

  /** Whether it lies in the file now. */
  async #append(text: string): Promise<boolean> {
    const { fileBytesMax, keptMax } = this.#policy;
    try {
      if (!this.#isMended) await this.#files?.mend(DEBUG_FILE);
      this.#isMended = true;
      await this.#files?.append(DEBUG_FILE, text);
      const sizeBytes = (await this.#files?.sizeBytes(DEBUG_FILE)) ?? 0;
      if (sizeBytes > fileBytesMax) await this.#files?.rotate(DEBUG_FILE, keptMax);
      return true;
    } catch (error) {
      // Nobody can be told in a file that cannot be written; the server goes on.
      if (!isCapstanError(error)) throw error;
      return false;
    }
  }
}

interface DebugLine {
  readonly level: DebugLevel;
  readonly area: DebugArea;
  readonly text: () => string;
}

function debugLineOf(event: ServerEvent): DebugLine {
  const line = (level: DebugLevel, area: DebugArea, text: () => string): DebugLine => ({
    level,
    area,
    text,
  });
  switch (event.kind) {
    case 'fault':
      return line('error', 'server', () => `fault: ${event.what}: ${event.reason}`);
    case 'event-logged': {
      const { severity, messageId, text, user } = event.row;
      const level = severity === 'INFO' ? 'info' : severity === 'WARNING' ? 'warning' : 'error';
      return line(level, 'server', () => `event ${messageId} of ${user}: ${text}`);
    }
    case 'ems-line':
      return line('debug', 'ems', () => `${event.host} ${event.text}`);
    case 'mounted':
    case 'dismounted':
      return line('debug', 'mounts', () => JSON.stringify(event));
    case 'copy-attempt-failed':
      return line('warning', 'copies', () => JSON.stringify(event));
    case 'copy-started':
    case 'copy-finished':
    case 'idr-run':
      return line('info', 'copies', () => JSON.stringify(event));
    case 'copy-progress':
    case 'idr-tape':
      return line('debug', 'copies', () => JSON.stringify(event));
    case 'verify-progress':
    case 'collect-progress':
      return line('debug', 'media', () => JSON.stringify(event));
  }
}
