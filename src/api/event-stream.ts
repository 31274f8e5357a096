/**
 * What happens in a server, as server-sent events.
 *
 *   id: 4710                     where the stream begins; no event, but a reader keeps the number
 *   retry: 2000
 *
 *   id: 4711                     number in the event log of the last entry up to here
 *   event: event-logged          the event's kind (stream-events.ts)
 *   data: {"kind":"event-logged","row":{…}}
 *
 * A reader that says `Last-Event-ID` is first told what the log has behind it, and what cannot be made up
 * any more. A comment comes where nothing else does for a while. Who reads too slowly is dropped: it may
 * come again and say where it was. What ends otherwise says why before it does.
 */
import { isCapstanError } from '../base/errors.ts';
import type { Cancel, Clock } from '../ports/clock.ts';
import type { EventRow } from '../ports/catalog.ts';
import type { ServerEvent } from '../server/context.ts';
import { API_LIMITS } from './limits.ts';
import { EVENT_KINDS } from './stream-events.ts';
import type { StreamClosing, StreamEvent } from './stream-events.ts';

/** How long a browser waits before it comes again. */
const RETRY_MS = 2000;

export interface EventStreamOptions {
  readonly clock: Clock;
  /** Whether events of the kind are sent, as of now. */
  readonly wants: (kind: ServerEvent['kind']) => boolean;
  /** Number of the last entry of the event log that the reader has; undefined: only what is new. */
  readonly lastEventId: number | undefined;
  /** Number of the newest entry of the event log, read before the stream was made; 0 without any. */
  readonly newestId: number;
  readonly onEvent: (listener: (event: ServerEvent) => void) => Cancel;
  /** The first entries of the event log behind `afterId` that the reader may see, oldest first. */
  readonly listEvents: (afterId: number, limit: number) => Promise<readonly EventRow[]>;
  /** Number of the oldest entry that the event log still has. */
  readonly oldestId: () => Promise<number>;
  /** Rejects once the reader may no longer read. */
  readonly check: () => Promise<unknown>;
  /** Called before it is dropped for being too far behind. */
  readonly onTooSlow: () => void;
  /** Drops the reader's connection. */
  readonly drop: () => void;
  /** Called once, whoever ended it. */
  readonly onEnd: () => void;
}

export class EventStream {
  readonly #options: EventStreamOptions;
  readonly #encoder = new TextEncoder();
  readonly #cancelEvents: Cancel;
  /** What the reader has not taken yet. */
  #queue: string[] = [];
  /** Events that came while the past is still being read. */
  #waiting: ServerEvent[] | undefined = [];
  /** Of the last entry of the event log that is told, or need not be. */
  #shownId: number;
  #wanted: (() => void) | undefined;
  #taken: (() => void) | undefined;
  /** Of the next heartbeat; while it closes, of the end of patience. */
  #cancelTimer: Cancel = () => {};
  #isClosing = false;
  #isOver = false;
  readonly body: ReadableStream<Uint8Array>;

  constructor(options: EventStreamOptions) {
    const { lastEventId, newestId } = options;
    this.#options = options;
    this.#shownId = Math.min(lastEventId ?? newestId, newestId);
    // First the ear, then the past: what happens in between comes twice and is told once.
    this.#cancelEvents = options.onEvent((event) => this.#hear(event));
    this.#queue.push(`id: ${this.#shownId}\nretry: ${RETRY_MS}\n\n`);
    this.body = new ReadableStream<Uint8Array>(
      { pull: (controller) => this.#give(controller), cancel: () => this.#end() },
      { highWaterMark: 0 },
    );
    this.#planHeartbeat();
    if (lastEventId !== undefined) this.#tellMissed(lastEventId);
    this.#resume().catch((error: unknown) => {
      const reason = isCapstanError(error) ? error.message : 'The event log cannot be read.';
      const isRefusal = isCapstanError(error, 'RIGHT_MISSING', 'SESSION_ENDED');
      this.close({ why: isRefusal ? 'not-allowed' : 'failed', reason });
    });
  }

  /** Says why, and ends once the reader has taken that and all before, or after a while. */
  close(closing: Omit<StreamClosing, 'kind'>): void {
    if (this.#isOver || this.#isClosing) return;
    this.#cancelEvents();
    this.#cancelTimer();
    this.#push({ kind: 'stream-closing', ...closing });
    if (this.#isOver) return;
    this.#isClosing = true;
    this.#cancelTimer = this.#options.clock.after(API_LIMITS.streamClosingTimeoutMs, () =>
      this.drop(),
    );
  }

  /** Ends the stream; what the reader has not taken is lost. */
  drop(): void {
    if (this.#isOver) return;
    this.#end();
    this.#options.drop();
  }

  #fallBehind(): void {
    if (this.#isOver) return;
    // First the end: the entry that tells of it is an event, too.
    this.drop();
    this.#options.onTooSlow();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#queue = [];
    this.#cancelEvents();
    this.#cancelTimer();
    this.#wanted?.();
    this.#taken?.();
    this.#options.onEnd();
  }

  async #give(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    while (this.#queue.length === 0 && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#wanted = resolve;
      });
    }
    if (!this.#isOver) controller.enqueue(this.#encoder.encode(this.#queue.join('')));
    this.#queue = [];
    this.#taken?.();
    if (!this.#isOver && !this.#isClosing) return;
    controller.close();
    this.#end();
  }

  #send(text: string): void {
    if (this.#isClosing) return;
    if (this.#queue.length >= API_LIMITS.streamBacklogMax) {
      this.#fallBehind();
      return;
    }
    this.#queue.push(text);
    this.#wanted?.();
  }

  #push(event: StreamEvent): void {
    const data = JSON.stringify(event);
    this.#send(`id: ${this.#shownId}\nevent: ${event.kind}\ndata: ${data}\n\n`);
  }

  #hear(event: ServerEvent): void {
    if (!this.#options.wants(event.kind)) return;
    if (this.#waiting === undefined) {
      this.#tell(event);
    } else if (this.#waiting.length < API_LIMITS.streamBacklogMax) {
      this.#waiting.push(event);
    } else {
      this.#fallBehind();
    }
  }

  #tell(event: ServerEvent): void {
    if (event.kind === 'event-logged') {
      if (event.row.id <= this.#shownId) return;
      this.#shownId = event.row.id;
    }
    this.#push(event);
  }

  /** What no log can make up for a reader that comes again. */
  #tellMissed(lastEventId: number): void {
    const { newestId, wants } = this.#options;
    if (lastEventId > newestId) {
      this.#push({ kind: 'events-missed', why: 'other-log', lastEventId, newestId });
    }
    const kinds = (Object.keys(EVENT_KINDS) as ServerEvent['kind'][]).filter(
      (kind) => kind !== 'event-logged' && wants(kind),
    );
    if (kinds.length > 0) this.#push({ kind: 'events-missed', why: 'not-kept', kinds });
  }

  async #resume(): Promise<void> {
    const { wants, listEvents, oldestId } = this.#options;
    const pageCount = API_LIMITS.resumePageCount;
    while (wants('event-logged')) {
      const rows = await listEvents(this.#shownId, pageCount);
      // Looked at behind the page: what goes from the log in between is told as missed rather than not.
      const beforeId = await oldestId();
      if (this.#isOver || this.#isClosing) return;
      const afterId = this.#shownId;
      if (beforeId > afterId + 1) {
        this.#push({ kind: 'events-missed', why: 'put-by', afterId, beforeId });
      }
      for (const row of rows) this.#tell({ kind: 'event-logged', row });
      if (rows.length < pageCount) break;
      await this.#allTaken();
    }
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const event of waiting) this.#tell(event);
  }

  #allTaken(): Promise<void> {
    if (this.#queue.length === 0 || this.#isOver) return Promise.resolve();
    return new Promise((resolve) => {
      this.#taken = resolve;
    });
  }

  #planHeartbeat(): void {
    this.#cancelTimer = this.#options.clock.after(API_LIMITS.heartbeatIntervalMs, () => {
      this.#options.check().then(
        () => {
          if (this.#isOver || this.#isClosing) return;
          this.#send(': alive\n\n');
          this.#planHeartbeat();
        },
        (error: unknown) => {
          const reason = isCapstanError(error) ? error.message : 'The session cannot be looked up.';
          this.close({ why: isCapstanError(error) ? 'not-allowed' : 'failed', reason });
        },
      );
    });
  }
}
