/** A site of the campaign: its file system, its home on it, and the process that serves it. */
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { localClient } from '../../../src/cli/call.ts';
import { homePaths } from '../../../src/cli/home.ts';
import type { ApiClient } from '../../../src/api/client.ts';
import { killAtExit, killChild } from '../../../harness/rig/child-process.ts';
import { systemClock } from '../../../src/platform/system-clock.ts';
import { sleep } from '../../../src/ports/clock.ts';
import type { Mount, Shutdown } from '../disks/mounts.ts';
import { Ledger } from './ledger.ts';

const SITE = join(import.meta.dirname, 'site.ts');
const START_TIMEOUT_MS = 60_000;
const POLL_MS = 5;
const UNMOUNT_TRIES = 40;
const UNMOUNT_PAUSE_MS = 50;

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

export interface SiteOptions {
  readonly name: string;
  readonly mount: Mount;
  /** 0 where it has no host. */
  readonly hostPort: number;
  /** Of the process: a library under it. */
  readonly environment: Readonly<Record<string, string>>;
}

export class Site {
  readonly name: string;
  readonly home: string;
  readonly ledger = new Ledger();
  readonly #options: SiteOptions;
  #child: Child | undefined;
  #said = '';
  #complained = '';

  constructor(options: SiteOptions) {
    this.#options = options;
    this.name = options.name;
    this.home = join(options.mount.path, 'home');
  }

  get client(): ApiClient {
    return localClient(homePaths(this.home).controlSocket);
  }

  /** What it has said in this life. */
  get said(): string {
    return this.#said;
  }

  /** Rejects with what it complained of where it does not serve. */
  async start(seed: number): Promise<void> {
    this.#said = '';
    this.#complained = '';
    const { hostPort, environment } = this.#options;
    const child = spawn(process.execPath, [SITE, this.home, `${hostPort}`, `${seed}`], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
    });
    this.#child = child;
    // A campaign that fails leaves no server behind; who reads its orders may be gone.
    killAtExit(child);
    child.stdin.on('error', () => {});
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#said += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#complained += text;
    });
    const endMs = systemClock.monotonicMs() + START_TIMEOUT_MS;
    while (!this.#said.includes('served ')) {
      if (child.exitCode !== null || systemClock.monotonicMs() > endMs) {
        throw new Error(`${this.name} does not start: ${this.#complained.trim().slice(0, 1000)}`);
      }
      await sleep(systemClock, POLL_MS);
    }
  }

  work(): void {
    this.#child?.stdin.write('work\n');
  }

  /** Resolves when it has said `text` behind `from`, or when the time is over: whether it did. */
  async hears(text: string, from: number, timeoutMs: number): Promise<boolean> {
    const endMs = systemClock.monotonicMs() + timeoutMs;
    while (!this.#said.includes(text, from)) {
      if (systemClock.monotonicMs() > endMs) return false;
      await sleep(systemClock, POLL_MS);
    }
    return true;
  }

  /** The power fails: the file system stops at once, then the process. */
  async cut(how: Shutdown): Promise<bigint> {
    const cutAtNs = await this.#options.mount.shutDown(how);
    await this.kill();
    this.ledger.add(this.#said, cutAtNs);
    return cutAtNs;
  }

  /** The power is back: the file system as the cut has left it. */
  async remount(): Promise<void> {
    await this.unmount();
    await this.#options.mount.mount();
  }

  /** A process that was killed may hold its files for a moment. */
  async unmount(): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        await this.#options.mount.unmount();
        return;
      } catch (error) {
        if (tries === UNMOUNT_TRIES) throw error;
        await sleep(systemClock, UNMOUNT_PAUSE_MS);
      }
    }
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    await killChild(child);
  }
}
