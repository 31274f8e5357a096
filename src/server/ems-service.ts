/**
 * The EMS service: one TACL session to each host, kept up, and the host's tape events out of it.
 *
 * A session that ends, for whatever reason, is built anew after a pause that doubles from
 * RECONNECT_FIRST_MS to RECONNECT_MAX_MS. The new one asks the distributor for the events since the
 * last that was seen, so that a request made in between is not lost; those of them that were seen
 * before (of that very second, or generated later but logged earlier) are dropped.
 *
 * @source VTS 6.04.01 Operations Guide, "EMS": `ems_response_timeout`, `ems_keep_alive`.
 */
import { assert } from '../base/assert.ts';
import { concatBytes } from '../base/bytes.ts';
import { isCapstanError } from '../base/errors.ts';
import { SECOND_MS } from '../base/units.ts';
import type { DistributorEvent } from '../ems/printing-distributor.ts';
import { type SessionEffect, TaclSession } from '../ems/tacl-session.ts';
import { ZSVR_PROCESS, type ZsvrEvent, parseZsvrEvent } from '../ems/zsvr-events.ts';
import type { Cancel, Clock } from '../ports/clock.ts';
import type { DuplexStream, Endpoint, Network } from '../ports/network.ts';
import type { EventLog } from './event-log.ts';

/** How long a connection may take, and each answer of the log-on: `ems_response_timeout`. */
export const RESPONSE_TIMEOUT_MS = 5 * SECOND_MS;
/** Silence after which the last event is taken for whole; EMSDIST's DELAY has the same default. */
export const QUIET_MS = 500;
/** Silence after which the host is asked for a sign of life: `ems_keep_alive`, which was off. */
export const KEEP_ALIVE_MS = 30 * SECOND_MS;
/** How long the sign of life may take. */
export const KEEP_ALIVE_ANSWER_MS = 30 * SECOND_MS;
/** The pause before the first attempt to connect again. */
export const RECONNECT_FIRST_MS = SECOND_MS;
/** The longest pause. */
export const RECONNECT_MAX_MS = 60 * SECOND_MS;
/** A session that held this long was a good one: the next pause is the first again. */
export const STABLE_SESSION_MS = 60 * SECOND_MS;
/** Events that are remembered, to know them again after a loss of the session. */
export const RECENT_EVENTS_MAX = 1000;
/** Most bytes that wait for a host which does not read. */
export const OUTGOING_BYTES_MAX = 64 * 1024;

export interface EmsHost {
  /** `\LAB` */
  readonly host: string;
  /** Where its TACL listens. */
  readonly endpoint: Endpoint;
  readonly user: string;
  readonly password: string;
  /** Default `$0`. */
  readonly collector?: string;
  readonly filter?: string;
}

export interface EmsServiceOptions {
  readonly clock: Clock;
  readonly network: Network;
  readonly hosts: readonly EmsHost[];
  readonly eventLog: Pick<EventLog, 'report'>;
  /** A tape event of the host's own $ZSVR. */
  readonly onEvent: (host: string, event: ZsvrEvent) => void;
  /** Every event that the distributor prints, before `onEvent`. */
  readonly onLine?: (host: string, line: DistributorEvent) => void;
}

export interface EmsHostStatus {
  readonly host: string;
  readonly state: 'stopped' | 'connecting' | 'logging-on' | 'established' | 'waiting';
  /** Why the last session ended. */
  readonly lastFailure: string | undefined;
}

export class EmsService {
  readonly #keepers: readonly SessionKeeper[];
  #running: Promise<unknown> | undefined;

  /** Throws INVALID_ARGUMENT where a host's user, password, collector or filter cannot be sent. */
  constructor(options: EmsServiceOptions) {
    this.#keepers = options.hosts.map((host) => new SessionKeeper(host, options));
  }

  /** Begins to connect to every host; returns at once. */
  start(): void {
    assert(this.#running === undefined, 'an EMS service is started once');
    this.#running = Promise.all(this.#keepers.map((keeper) => keeper.run()));
  }

  /** Ends all sessions; no event comes afterwards. */
  async stop(): Promise<void> {
    for (const keeper of this.#keepers) keeper.stop();
    await this.#running;
  }

  status(): readonly EmsHostStatus[] {
    return this.#keepers.map((keeper) => keeper.status());
  }
}

/** Keeps one host's session up. */
class SessionKeeper {
  readonly #host: EmsHost;
  readonly #options: EmsServiceOptions;
  #state: EmsHostStatus['state'] = 'stopped';
  #stopped = false;
  /** Ends what the keeper waits for just now. */
  #interrupt: () => void = () => {};
  #lastFailure: string | undefined;
  /** The reason that stands in the event log since the last established session. */
  #loggedFailure: string | undefined;
  /** The last events that were seen, oldest first. */
  #recent: DistributorEvent[] = [];

  constructor(host: EmsHost, options: EmsServiceOptions) {
    this.#host = host;
    this.#options = options;
    // Refuses what could not be sent when the server starts, not once a host answers.
    this.#newSession();
  }

  status(): EmsHostStatus {
    return { host: this.#host.host, state: this.#state, lastFailure: this.#lastFailure };
  }

  stop(): void {
    this.#stopped = true;
    this.#interrupt();
  }

  async run(): Promise<void> {
    let pauseMs = RECONNECT_FIRST_MS;
    while (!this.#stopped) {
      const { reason, establishedMs } = await this.#runSession();
      if (this.#stopped) break;
      this.#reportFailure(reason, establishedMs !== undefined);
      if ((establishedMs ?? 0) >= STABLE_SESSION_MS) pauseMs = RECONNECT_FIRST_MS;
      this.#state = 'waiting';
      await this.#pause(pauseMs);
      pauseMs = Math.min(pauseMs * 2, RECONNECT_MAX_MS);
    }
    this.#state = 'stopped';
  }

  /** Why the session ended, and how long it was established, if ever. */
  async #runSession(): Promise<{ reason: string; establishedMs: number | undefined }> {
    const { clock, eventLog } = this.#options;
    this.#state = 'connecting';
    const stream = await this.#connect();
    if (typeof stream === 'string') return { reason: stream, establishedMs: undefined };
    this.#state = 'logging-on';
    // These come again, once each.
    const sinceMs = this.#recent.at(-1)?.localTimeMs ?? 0;
    const known = this.#recent.filter(({ localTimeMs }) => localTimeMs >= sinceMs);
    let readyAtMs: number | undefined;
    const connection = new Connection(stream, this.#newSession(), clock, {
      onReady: () => {
        readyAtMs = clock.monotonicMs();
        this.#state = 'established';
        this.#lastFailure = undefined;
        this.#loggedFailure = undefined;
        eventLog.report('EMS_SESSION_ESTABLISHED', { host: this.#host.host });
      },
      onEvent: (event) => {
        const index = known.findIndex((other) => sameEvent(other, event));
        if (index < 0) this.#deliver(event);
        else known.splice(index, 1);
      },
    });
    this.#interrupt = () => connection.end('the EMS service was stopped');
    if (this.#stopped) this.#interrupt();
    const reason = await connection.run();
    return {
      reason,
      establishedMs: readyAtMs === undefined ? undefined : clock.monotonicMs() - readyAtMs,
    };
  }

  /** A stream, or why there is none. A connection that comes too late is dropped. */
  #connect(): Promise<DuplexStream | string> {
    const { clock, network } = this.#options;
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
      const cancel = clock.after(RESPONSE_TIMEOUT_MS, () => {
        give(`no connection within ${RESPONSE_TIMEOUT_MS / SECOND_MS} s`);
      });
      this.#interrupt = () => give('the EMS service was stopped');
      network.connect(this.#host.endpoint).then(give, (error: unknown) => give(reasonOf(error)));
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
    this.#recent.push(line);
    if (this.#recent.length > RECENT_EVENTS_MAX) this.#recent.shift();
    const { host } = this.#host;
    this.#options.onLine?.(host, line);
    // Another node's events may be forwarded to this collector; its drives are not ours to serve.
    if (line.process !== ZSVR_PROCESS || line.node !== host) return;
    const event = parseZsvrEvent(line.eventNumber, line.text);
    if (event !== undefined) this.#options.onEvent(host, event);
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

interface ConnectionListener {
  readonly onReady: () => void;
  readonly onEvent: (event: DistributorEvent) => void;
}

/** One connection: moves bytes between stream and session, and watches their silences. */
class Connection {
  readonly #stream: DuplexStream;
  readonly #session: TaclSession;
  readonly #clock: Clock;
  readonly #listener: ConnectionListener;
  #reason: string | undefined;
  /** What waits to be written, and its length with what is being written. */
  readonly #outgoing: Uint8Array[] = [];
  #outgoingBytes = 0;
  #writing = false;
  #cancelResponse: Cancel = () => {};
  #cancelQuiet: Cancel = () => {};
  #cancelAlive: Cancel = () => {};

  constructor(
    stream: DuplexStream,
    session: TaclSession,
    clock: Clock,
    listener: ConnectionListener,
  ) {
    this.#stream = stream;
    this.#session = session;
    this.#clock = clock;
    this.#listener = listener;
  }

  /** Runs until the connection has ended; resolves with the reason. */
  async run(): Promise<string> {
    this.#awaitResponse();
    try {
      while (this.#reason === undefined) {
        const bytes = await this.#stream.read();
        if (this.#reason !== undefined) break;
        if (bytes === undefined) this.end('the host ended it');
        else this.#receive(bytes);
      }
    } catch (error) {
      this.end(reasonOf(error));
      // A mistake of ours is no end of a connection.
      if (!isCapstanError(error)) throw error;
    }
    return this.#reason ?? '';
  }

  /** Ends the connection; the first reason counts. */
  end(reason: string): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#cancelResponse();
    this.#cancelQuiet();
    this.#cancelAlive();
    this.#stream.destroy();
  }

  #receive(bytes: Uint8Array): void {
    const answersBefore = this.#session.answerCount;
    this.#apply(this.#session.receive(bytes));
    if (this.#reason !== undefined) return;
    // Only an answer that led on counts: a host that babbles does not hold a log-on open.
    if (this.#session.answerCount !== answersBefore) this.#awaitResponse();
    this.#cancelQuiet();
    this.#cancelQuiet = this.#clock.after(QUIET_MS, () => this.#apply(this.#session.idle()));
    this.#watchLife();
  }

  #apply(effects: readonly SessionEffect[]): void {
    for (const effect of effects) {
      if (this.#reason !== undefined) return;
      switch (effect.kind) {
        case 'send':
          this.#send(effect.bytes);
          break;
        case 'event':
          this.#listener.onEvent(effect.event);
          break;
        case 'ready':
          this.#cancelResponse();
          this.#watchLife();
          this.#listener.onReady();
          break;
        case 'failed':
          this.end(effect.reason);
          break;
      }
    }
  }

  #send(bytes: Uint8Array): void {
    this.#outgoing.push(bytes);
    this.#outgoingBytes += bytes.length;
    if (this.#outgoingBytes > OUTGOING_BYTES_MAX) this.end('the host does not read');
    else if (!this.#writing) void this.#write();
  }

  async #write(): Promise<void> {
    this.#writing = true;
    try {
      while (this.#outgoing.length > 0 && this.#reason === undefined) {
        const bytes = concatBytes(this.#outgoing.splice(0));
        await this.#stream.write(bytes);
        this.#outgoingBytes -= bytes.length;
      }
    } catch (error) {
      this.end(reasonOf(error));
      if (!isCapstanError(error)) throw error;
    } finally {
      this.#writing = false;
    }
  }

  #awaitResponse(): void {
    this.#cancelResponse();
    this.#cancelResponse = this.#clock.after(RESPONSE_TIMEOUT_MS, () => {
      this.end(`no answer at log-on within ${RESPONSE_TIMEOUT_MS / SECOND_MS} s`);
    });
  }

  /** Once established: after silence a question, and after more silence the end. */
  #watchLife(): void {
    this.#cancelAlive();
    if (this.#session.state !== 'ready') return;
    this.#cancelAlive = this.#clock.after(KEEP_ALIVE_MS, () => {
      this.#cancelAlive = this.#clock.after(KEEP_ALIVE_ANSWER_MS, () => {
        this.end(`no sign of life within ${KEEP_ALIVE_ANSWER_MS / SECOND_MS} s`);
      });
      this.#apply(this.#session.probe());
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

/** An error's own clause, without the name of the peer, which the message has already. */
function reasonOf(error: unknown): string {
  if (isCapstanError(error, 'CONNECTION_LOST', 'CONNECTION_REFUSED')) {
    return String(error.fields['reason'] ?? error.message);
  }
  return error instanceof Error ? error.message : String(error);
}
