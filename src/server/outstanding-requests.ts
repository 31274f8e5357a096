/**
 * Mount requests that are open on a host and were not heard of: made before the server first listened,
 * or logged where the distributor finds them no more. Behind each log-on the host is asked for all that
 * are open, by MEDIACOM in a TACL session of its own; what waits here, or was answered, and is open there no
 * more, is over.
 *
 * Between the host's answer and its handling a request may end: what was heard meanwhile goes before.
 *
 * @source DSM/TC Operator Interface (MEDIACOM) Manual, p. 206 to 208.
 */
import { parseTapemountStatus } from '../ems/tapemount-status.ts';
import type { OutstandingMount } from '../ems/tapemount-status.ts';
import type { ZsvrEvent } from '../ems/zsvr-events.ts';
import type { MountRequestRow } from '../ports/catalog.ts';
import { Sequence } from './context.ts';
import type { ServerContext } from './context.ts';
import { HostQuestion } from './host-commands.ts';
import type { Mounts } from './mounts.ts';

type KnownRequest = Pick<MountRequestRow, 'host' | 'requestNumber' | 'tape'>;

export class OutstandingRequests {
  readonly #context: ServerContext;
  readonly #mounts: Mounts;
  /** One question a host at a time. */
  readonly #questions = new Map<string, Sequence>();
  /** Numbers of requests that were heard of, or of their ends, since the host was asked. */
  readonly #heard = new Map<string, Set<number>>();
  readonly #question: HostQuestion<readonly OutstandingMount[]>;

  constructor(context: ServerContext, mounts: Mounts) {
    this.#context = context;
    this.#mounts = mounts;
    this.#question = new HostQuestion(context, {
      command: 'MEDIACOM STATUS TAPEMOUNT',
      parse: parseTapemountStatus,
      event: 'EMS_STATUS_FAILED',
    });
  }

  /** A tape event of a host. */
  handle(host: string, event: ZsvrEvent): Promise<void> {
    if ('requestNumber' in event) this.#heard.get(host)?.add(event.requestNumber);
    return this.#mounts.handle(host, event);
  }

  /** Asks the host and takes its answer up; then its requests are up to date as far as they can be. */
  async takeUp(host: string): Promise<void> {
    const questions = this.#questions.get(host) ?? new Sequence();
    this.#questions.set(host, questions);
    await questions.run(async () => {
      if (this.#question.stopped) return;
      const known = await this.#known(host);
      const heard = new Set<number>();
      this.#heard.set(host, heard);
      const listed = await this.#question.ask(host);
      if (this.#question.stopped) return;
      if (listed !== undefined) await this.#reconcile(host, known, listed, heard);
      this.#heard.delete(host);
      this.#mounts.hostCaughtUp(host);
    });
  }

  /** What hosts answer from now on is of no use any more. */
  stop(): void {
    this.#question.stop();
  }

  /** Requests that wait, and those that were answered: the host may have taken the tape for another one. */
  async #known(host: string): Promise<readonly KnownRequest[]> {
    const { catalog } = this.#context.ports;
    const waiting = await catalog.listMountRequests();
    const answered = (await catalog.listMounts({ open: true })).flatMap(
      ({ requestNumber, ...row }) => (requestNumber === undefined ? [] : { ...row, requestNumber }),
    );
    return [...waiting, ...answered].filter((row) => row.host === host);
  }

  async #reconcile(
    host: string,
    known: readonly KnownRequest[],
    listed: readonly OutstandingMount[],
    heard: ReadonlySet<number>,
  ): Promise<void> {
    const isOpen = ({ requestNumber, tape }: KnownRequest): boolean =>
      listed.some(
        (each) => each.requestNumber === requestNumber && (each.request?.volume ?? tape) === tape,
      );
    for (const request of known) {
      if (heard.has(request.requestNumber) || isOpen(request)) continue;
      await this.#mounts.requestIsOver(request);
    }
    for (const { requestNumber, request } of listed) {
      if (request === undefined || heard.has(requestNumber)) continue;
      await this.#mounts.takeUp(host, request);
    }
  }
}
