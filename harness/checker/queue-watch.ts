/** Whether what waits in a server's mount queue rightly waits there, and in its place. */
import { SECOND_MS } from '../../src/base/units.ts';
import type { MountRequestRow, MountRow } from '../../src/ports/catalog.ts';
import type { SimulatedServer } from '../world/simulated-server.ts';
import type { World } from '../world/world.ts';
import { RECOVERY_MS } from './mount-answers.ts';
import type { AskedMount } from './mount-answers.ts';
import { hold } from './violation.ts';

/** A request's job, whose `knownSinceMs` is noted here. */
export type WatchedMount = Omit<AskedMount, 'knownSinceMs'> & {
  knownSinceMs: number | undefined;
};

export interface QueueWatchOptions {
  readonly world: World;
  readonly server: SimulatedServer;
  /** All jobs, also those to come. */
  readonly jobs: readonly WatchedMount[];
  /** The newest job whose request this is. */
  readonly jobOf: (row: MountRequestRow) => WatchedMount | undefined;
  /** A number is given out once: where two jobs had it, nobody knows whose place in the queue it is. */
  readonly numbersAreUnique: boolean;
}

export class QueueWatch {
  readonly #options: QueueWatchOptions;
  /** Who waited at the last look, in their order. */
  #order: readonly WatchedMount[] = [];
  /** Jobs that are waited with nowhere, and since when. */
  readonly #forgottenSinceMs = new Map<WatchedMount, number>();

  constructor(options: QueueWatchOptions) {
    this.#options = options;
  }

  /**
   * Throws InvariantViolation; the server runs. `open`: its open mounts; `troubleMs`: the last moment at which it may
   * not have heard the host.
   */
  async check(open: readonly MountRow[], troubleMs: number): Promise<void> {
    const { server, jobOf } = this.#options;
    const requests = await server.catalog.listMountRequests();
    const jobs = requests.map((request) => jobOf(request));
    for (const [index, request] of requests.entries()) {
      await this.#checkUnanswered(request, open);
      const job = jobs[index];
      if (job !== undefined) this.#checkJob(job, troubleMs);
    }
    if (!this.#options.numbersAreUnique) return;
    this.#checkOrder(jobs.filter((job) => job !== undefined));
    for (const job of this.#options.jobs) this.#checkKnown(job, [...requests, ...open], troubleMs);
  }

  /** What waits is not answered already. */
  async #checkUnanswered(
    { requestNumber, tape, ring }: MountRequestRow,
    open: readonly MountRow[],
  ): Promise<void> {
    const mount = open.find(
      (row) => row.requestNumber === requestNumber && row.tape === tape && row.ring === ring,
    );
    if (mount === undefined) return;
    // But where the host has taken the tape for another request.
    const isTaken = await this.#options.server.catalog.isMountAccepted(mount.id);
    hold(isTaken, () => `request ${requestNumber} for ${tape} waits, and is answered`);
  }

  #checkJob(job: WatchedMount, troubleMs: number): void {
    const { world, server, numbersAreUnique } = this.#options;
    const { elapsedMs } = world.clock;
    job.knownSinceMs ??= elapsedMs;
    const what = `request ${job.requestNumber} for ${job.volume} waits`;
    hold(
      job.droppedInLife !== server.crashCount || !numbersAreUnique,
      () => `${what}, and an operator took it out of the queue`,
    );
    const isOver = job.state === 'ended' && !job.lost;
    const overMs = elapsedMs - Math.max(job.endedAtMs, troubleMs);
    hold(
      !isOver || overMs <= RECOVERY_MS,
      () => `${what} ${(elapsedMs - job.endedAtMs) / SECOND_MS} s after its end`,
    );
  }

  /** A request that was heard of, and is open on the host, waits here or is answered. */
  #checkKnown(
    job: WatchedMount,
    rows: readonly Pick<MountRow, 'requestNumber' | 'tape'>[],
    troubleMs: number,
  ): void {
    const { requestNumber, volume, state, droppedInLife, knownSinceMs, answered } = job;
    const isKnown = answered || knownSinceMs !== undefined;
    const isThere = rows.some((row) => row.requestNumber === requestNumber && row.tape === volume);
    if (state !== 'waiting' || !isKnown || isThere || droppedInLife !== undefined) {
      this.#forgottenSinceMs.delete(job);
      return;
    }
    const { elapsedMs } = this.#options.world.clock;
    const sinceMs = this.#forgottenSinceMs.get(job) ?? elapsedMs;
    this.#forgottenSinceMs.set(job, sinceMs);
    hold(
      elapsedMs - Math.max(sinceMs, troubleMs) <= RECOVERY_MS,
      () => `request ${requestNumber} for ${volume} was heard of, and is forgotten`,
    );
  }

  /** Who waits keeps his place; what was answered, and given back, waits anew. */
  #checkOrder(jobs: readonly WatchedMount[]): void {
    const before = this.#order.filter((job) => !job.answered && jobs.includes(job));
    const now = jobs.filter((job) => before.includes(job));
    this.#order = jobs;
    const passed = before.find((job, place) => now[place] !== job);
    hold(passed === undefined, () => `request ${passed?.requestNumber} has lost its place`);
  }
}
