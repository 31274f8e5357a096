/**
 * Keeps one host's EMS session up, and hands on what it tells, each event once.
 *
 * A session that ends, for whatever reason, is built anew after a pause that doubles from
 * RECONNECT_FIRST_MS to RECONNECT_MAX_MS. The new one asks the distributor for the events since the
 * last that was dealt with, which the catalog keeps across a restart of the server; those that were seen
 * before (of that very second, or generated later but logged earlier) are dropped. What is replayed is
 * held until the host falls quiet behind a mark that it was asked for, so that a request which has ended meanwhile
 * is not answered: a line that stops in the middle of a log-on is quiet, too.
 */
import { isCapstanError } from '../base/errors.ts';
import { SECOND_MS } from '../base/units.ts';
import { DEFAULT_EMS_HOST_PARAMETERS } from '../ems/parameters.ts';
import type { EmsHostParameters } from '../ems/parameters.ts';
import type { DistributorEvent } from '../ems/printing-distributor.ts';
import { withoutEndedRequests } from '../ems/replayed-events.ts';
import { TaclSession } from '../ems/tacl-session.ts';
import { ZSVR_PROCESS, type ZsvrEvent, parseZsvrEvent } from '../ems/zsvr-events.ts';
import type { DuplexStream } from '../ports/network.ts';
import { EmsConnection, connectionReason } from './ems-connection.ts';
import type { EmsHost, EmsHostStatus, EmsServiceOptions } from './ems-service.ts';

/** The pause before the first attempt to connect again. */
export const RECONNECT_FIRST_MS = SECOND_MS;
/** The longest pause. */
export const RECONNECT_MAX_MS = 60 * SECOND_MS;
/** A session that held this long was a good one: the next pause is the first again. */
export const STABLE_SESSION_MS = 60 * SECOND_MS;
/** Events that are remembered, to know them again after a loss of the session. */
export const RECENT_EVENTS_MAX = 1000;
/** Of those, what the catalog keeps of one host at most. */
export const KEPT_EVENTS_MAX = 100;
/** How long replayed events are held where the host does not fall quiet, or answers no mark. */
export const CATCH_UP_MS_MAX = 10 * SECOND_MS;

export class SessionKeeper {
  readonly #host: EmsHost;
  readonly #options: EmsServiceOptions;
  readonly #parameters: EmsHostParameters;
  #state: EmsHostStatus['state'] = 'stopped';
  #stateSinceMs: number;
  #stopped = false;
  #restarting = false;
  /** Ends what the keeper waits for just now. */
  #interrupt: () => void = () => {};
  #connection: EmsConnection | undefined;
  #lastFailure: string | undefined;
  /** The reason that stands in the event log since the last established session. */
  #loggedFailure: string | undefined;
  /** The last events that were seen, oldest first. */
  #recent: DistributorEvent[] = [];
  /** Replayed events of $ZSVR that are not yet handed on. */
  #held: ZsvrEvent[] | undefined;
  /** Whether this session has told all that was logged before it. */
  #caughtUp = false;
  /** Settles when all that was handed on has been dealt with. */
  #handled: Promise<unknown> = Promise.resolve();
  #positionChanged = false;
  #saving: Promise<void> | undefined;
  #sessionCount = 0;
  #eventCount = 0;

  constructor(host: EmsHost, options: EmsServiceOptions) {
    this.#host = host;
    this.#options = options;
    this.#parameters = { ...DEFAULT_EMS_HOST_PARAMETERS, ...host.parameters };
    this.#stateSinceMs = options.clock.nowMs();
    if (!this.#parameters.enabled) this.#state = 'disabled';
    // Refuses what could not be sent when the server starts, not once a host answers.
    this.#newSession();
  }

  get host(): string {
    return this.#host.host;
  }

  status(): EmsHostStatus {
    return {
      host: this.#host.host,
      state: this.#state,
      stateSinceAtMs: this.#stateSinceMs,
      sessionCount: this.#sessionCount,
      eventCount: this.#eventCount,
      lastEventHostTime: this.#recent.at(-1)?.localTimeMs,
      lastFailure: this.#lastFailure,
    };
  }

  stop(): void {
    this.#stopped = true;
    this.#interrupt();
  }

  /** Ends the session and builds it anew at once. */
  restart(): void {
    if (this.#stopped || !this.#parameters.enabled) return;
    this.#restarting = true;
    this.#interrupt();
  }

  /**
   * Has `onMarkPassed` be called once all has been heard that the host has printed by now; where there is
   * no session that has caught up, its next one tells by `onCaughtUp` that it can be asked. False where
   * the host is not listened to.
   */
  mark(): boolean {
    if (this.#caughtUp) this.#connection?.mark();
    return this.#parameters.enabled && !this.#stopped;
  }

  /** Resolves once stopped, and all that was handed on is dealt with and noted. */
  async run(): Promise<void> {
    if (!this.#parameters.enabled) return;
    await this.#loadPosition();
    let pauseMs = RECONNECT_FIRST_MS;
    while (!this.#stopped) {
      const { reason, establishedMs } = await this.#runSession();
      if (this.#stopped) break;
      if (this.#restarting) {
        this.#restarting = false;
        pauseMs = RECONNECT_FIRST_MS;
        continue;
      }
      this.#reportFailure(reason, establishedMs !== undefined);
      if ((establishedMs ?? 0) >= STABLE_SESSION_MS) pauseMs = RECONNECT_FIRST_MS;
      this.#enter('waiting');
      await this.#pause(pauseMs);
      pauseMs = this.#restarting ? RECONNECT_FIRST_MS : Math.min(pauseMs * 2, RECONNECT_MAX_MS);
      this.#restarting = false;
    }
    this.#enter('stopped');
    await this.#saving;
  }

  #enter(state: EmsHostStatus['state']): void {
    this.#state = state;
    this.#stateSinceMs = this.#options.clock.nowMs();
  }

  /** Why the session ended, and how long it was established, if ever. */
  async #runSession(): Promise<{ reason: string; establishedMs: number | undefined }> {
    const { clock, eventLog } = this.#options;
    this.#enter('connecting');
    const stream = await this.#connect();
    if (typeof stream === 'string') return { reason: stream, establishedMs: undefined };
    this.#enter('logging-on');
    // These come again, once each.
    const sinceMs = this.#recent.at(-1)?.localTimeMs ?? 0;
    const known = this.#recent.filter(({ localTimeMs }) => localTimeMs >= sinceMs);
    this.#caughtUp = false;
    if (this.#recent.length > 0) this.#held ??= [];
    let readyAtMs: number | undefined;
    /** Whether anything has come since the session was established. */
    let hasTold = false;
    let cancelCatchUp = (): void => {};
    const awaitCatchUp = (): void => {
      cancelCatchUp = clock.after(CATCH_UP_MS_MAX, () => {
        if (hasTold) this.#endCatchUp();
        else awaitCatchUp();
      });
    };
    const connection = new EmsConnection({
      stream,
      session: this.#newSession(),
      clock,
      times: this.#parameters,
      listener: {
        onReady: () => {
          readyAtMs = clock.monotonicMs();
          this.#sessionCount += 1;
          this.#enter('established');
          this.#lastFailure = undefined;
          this.#loggedFailure = undefined;
          eventLog.report('EMS_SESSION_ESTABLISHED', { host: this.#host.host });
          connection.mark();
          awaitCatchUp();
        },
        onEvent: (event) => {
          const index = known.findIndex((other) => sameEvent(other, event));
          if (index < 0) this.#deliver(event);
          else known.splice(index, 1);
        },
        onQuiet: () => {
          hasTold ||= readyAtMs !== clock.monotonicMs();
        },
        onMarkPassed: () => {
          cancelCatchUp();
          if (this.#caughtUp) this.#options.onMarkPassed?.(this.#host.host);
          else this.#endCatchUp();
        },
      },
    });
    this.#connection = connection;
    this.#interrupt = () => connection.end('the EMS service was stopped');
    if (this.#stopped || this.#restarting) this.#interrupt();
    const reason = await connection.run();
    cancelCatchUp();
    return {
      reason,
      establishedMs: readyAtMs === undefined ? undefined : clock.monotonicMs() - readyAtMs,
    };
  }

  /** A stream, or why there is none. A connection that comes too late is dropped. */
  #connect(): Promise<DuplexStream | string> {
    const { clock, network } = this.#options;
    const { responseTimeoutMs } = this.#parameters;
    return new Promise((resolve) => {
      let given = false;
      const give = (result: DuplexStream | string): void => {
        if (given) {
          if (typeof result !== 'string') result.destroy();
          return;
        }
        given = true;
        cancel();
        resolve(result);
      };
      const cancel = clock.after(responseTimeoutMs, () => {
        give(`no connection within ${responseTimeoutMs / SECOND_MS} s`);
      });
      this.#interrupt = () => give('the EMS service was stopped');
      network
        .connect(this.#host.endpoint)
        .then(give, (error: unknown) => give(connectionReason(error)));
    });
  }

  #newSession(): TaclSession {
    const { user, password, collector = '$0', filter } = this.#host;
    const last = this.#recent.at(-1);
    return new TaclSession({
      user,
      password,
      collector,
      ...(filter === undefined ? {} : { filter }),
      ...(last === undefined ? {} : { sinceLocalTimeMs: last.localTimeMs }),
    });
  }

  #deliver(line: DistributorEvent): void {
    this.#eventCount += 1;
    this.#recent.push(line);
    if (this.#recent.length > RECENT_EVENTS_MAX) this.#recent.shift();
    const { host } = this.#host;
    this.#await(this.#options.onLine?.(host, line));
    // Another node's events may be forwarded to this collector; its drives are not ours to serve.
    if (line.process === ZSVR_PROCESS && line.node === host) {
      const event = parseZsvrEvent(line.eventNumber, line.text);
      if (event !== undefined && this.#held !== undefined) this.#held.push(event);
      else if (event !== undefined) this.#await(this.#options.onEvent(host, event));
    }
    this.#notePosition();
  }

  /** Replayed events have all come: what is left to do of them is handed on. */
  #endCatchUp(): void {
    const held = this.#held;
    this.#held = undefined;
    for (const event of withoutEndedRequests(held ?? [])) {
      this.#await(this.#options.onEvent(this.#host.host, event));
    }
    if (held !== undefined && held.length > 0) this.#notePosition();
    if (this.#caughtUp) return;
    this.#caughtUp = true;
    void this.#handled.then(() => this.#options.onCaughtUp?.(this.#host.host));
  }

  #await(handling: Promise<void> | void): void {
    if (handling !== undefined) this.#handled = Promise.all([this.#handled, handling]);
  }

  async #loadPosition(): Promise<void> {
    try {
      const position = await this.#options.positions?.findEmsPosition(this.#host.host);
      if (position !== undefined) this.#recent = JSON.parse(position.seen) as DistributorEvent[];
    } catch (error) {
      this.#reportPosition(error);
    }
  }

  /** Notes how far the host was heard, once that has been dealt with. */
  #notePosition(): void {
    this.#positionChanged = true;
    // What is held is not dealt with yet: after a crash now it is to come again.
    if (this.#held !== undefined && this.#held.length > 0) return;
    this.#saving ??= this.#savePosition().finally(() => {
      this.#saving = undefined;
    });
  }

  async #savePosition(): Promise<void> {
    while (this.#positionChanged) {
      this.#positionChanged = false;
      const last = this.#recent.at(-1);
      if (last === undefined) return;
      const { localTimeMs } = last;
      const seen = this.#recent.filter((event) => event.localTimeMs >= localTimeMs);
      const position = {
        host: this.#host.host,
        localTimeMs,
        seen: JSON.stringify(seen.slice(-KEPT_EVENTS_MAX)),
      };
      await this.#handled;
      try {
        await this.#options.positions?.putEmsPosition(position);
      } catch (error) {
        this.#reportPosition(error);
      }
    }
  }

  #reportPosition(error: unknown): void {
    if (!isCapstanError(error)) throw error;
    const { host } = this.#host;
    this.#options.eventLog.report('EMS_POSITION_FAILED', { host, reason: error.message });
  }

  #reportFailure(reason: string, established: boolean): void {
    this.#lastFailure = reason;
    if (!established && reason === this.#loggedFailure) return;
    this.#loggedFailure = reason;
    this.#options.eventLog.report(established ? 'EMS_SESSION_LOST' : 'EMS_SESSION_FAILED', {
      host: this.#host.host,
      reason,
    });
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(delayMs, resolve);
      this.#interrupt = () => {
        cancel();
        resolve();
      };
    });
  }
}

function sameEvent(left: DistributorEvent, right: DistributorEvent): boolean {
  return (
    left.localTimeMs === right.localTimeMs &&
    left.eventNumber === right.eventNumber &&
    left.process === right.process &&
    left.node === right.node &&
    left.text === right.text
  );
}
