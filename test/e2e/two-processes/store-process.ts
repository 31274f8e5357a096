/** A worker process (worker.ts) as a test holds it. */
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { Reply, Request } from './requests.ts';

const WORKER = join(import.meta.dirname, 'worker.ts');

/** What the worker rejected with. */
export class WorkerError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export class StoreProcess {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  private constructor(folder: string, mode: string) {
    this.#child = spawn(process.execPath, [WORKER, folder, mode], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Rejects with a WorkerError where the store does not open. */
  static async open(folder: string, mode: 'create' | 'write' | 'read'): Promise<StoreProcess> {
    const opened = new StoreProcess(folder, mode);
    await opened.nextReply();
    return opened;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  async nextReply(): Promise<unknown> {
    const { done, value } = await this.#lines.next();
    if (done === true) throw new Error('the process has ended');
    const reply = JSON.parse(value) as Reply;
    if ('error' in reply) throw new WorkerError(reply.error.code, reply.error.message);
    return reply.result;
  }

  ask(request: Request): Promise<unknown> {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    return this.nextReply();
  }

  /** Resolves to the replies that had come before it died. */
  async kill(): Promise<readonly unknown[]> {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    const rest: unknown[] = [];
    for (let next = await this.#lines.next(); next.done !== true; next = await this.#lines.next()) {
      // The last line may be cut short.
      if (next.value.endsWith('}'))
        rest.push((JSON.parse(next.value) as { result: unknown }).result);
    }
    await ended;
    return rest;
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.stdin.end();
    await ended;
  }
}
