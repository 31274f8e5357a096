/**
 * What happens in a server, as server-sent events.
 *
 *   id: 4711                     only what stands in the event log has one: its number there
 *   event: event-logged          the event's kind (ServerEvent of src/server/context.ts)
 *   data: {"kind":"event-logged","row":{…}}
 *
 * A reader that says `Last-Event-ID` is first given what the log has behind it. A comment comes where
 * nothing else does for a while. Who reads too slowly is dropped: it may come again and say where it was.
 */
import type { Cancel, Clock } from '../ports/clock.ts';
import type { EventRow } from '../ports/catalog.ts';
import type { ServerEvent } from '../server/context.ts';
import { API_LIMITS } from './limits.ts';

/** How long a browser waits before it comes again. */
const RETRY_MS = 2000;

export interface EventStreamOptions {
  readonly clock: Clock;
  /** Whether events of the kind are sent. */
  readonly wants: (kind: ServerEvent['kind']) => boolean;
  /** Number of the last entry of the event log that the reader has; undefined: only what is new. */
  readonly lastEventId: number | undefined;
  readonly onEvent: (listener: (event: ServerEvent) => void) => Cancel;
  /** The first entries of the event log behind `afterId`, oldest first. */
  readonly listEvents: (afterId: number, limit: number) => Promise<readonly EventRow[]>;
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
  #waiting: ServerEvent[] | undefined;
  #shownId: number;
  #wanted: (() => void) | undefined;
  #taken: (() => void) | undefined;
  #cancelHeartbeat: Cancel = () => {};
  #isOver = false;
  readonly body: ReadableStream<Uint8Array>;

  constructor(options: EventStreamOptions) {
    this.#options = options;
    this.#shownId = options.lastEventId ?? -1;
    // First the ear, then the past: what happens in between comes twice and is told once.
    this.#waiting = options.lastEventId === undefined ? undefined : [];
    this.#cancelEvents = options.onEvent((event) => this.#hear(event));
    this.#queue.push(`retry: ${RETRY_MS}\n\n`);
    this.body = new ReadableStream<Uint8Array>(
      { pull: (controller) => this.#give(controller), cancel: () => this.#end() },
      { highWaterMark: 0 },
    );
    this.#planHeartbeat();
    if (this.#waiting !== undefined) {
      this.#resume().catch(() => {
        // The event log cannot be read: the reader comes again, and is told why.
        this.drop();
      });
    }
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
    this.#cancelHeartbeat();
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
    if (this.#isOver) {
      controller.close();
      return;
    }
    controller.enqueue(this.#encoder.encode(this.#queue.join('')));
    this.#queue = [];
    this.#taken?.();
  }

  #send(text: string): void {
    if (this.#queue.length >= API_LIMITS.streamBacklogMax) {
      this.#fallBehind();
      return;
    }
    this.#queue.push(text);
    this.#wanted?.();
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
    let id = '';
    if (event.kind === 'event-logged') {
      if (event.row.id <= this.#shownId) return;
      this.#shownId = event.row.id;
      id = `id: ${event.row.id}\n`;
    }
    this.#send(`${id}event: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`);
  }

  async #resume(): Promise<void> {
    for (;;) {
      const rows = await this.#options.listEvents(this.#shownId, API_LIMITS.resumePageCount);
      if (this.#isOver) return;
      for (const row of rows) this.#tell({ kind: 'event-logged', row });
      if (rows.length < API_LIMITS.resumePageCount) break;
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
    this.#cancelHeartbeat = this.#options.clock.after(API_LIMITS.heartbeatIntervalMs, () => {
      this.#options.check().then(
        () => {
          if (this.#isOver) return;
          this.#send(': alive\n\n');
          this.#planHeartbeat();
        },
        () => this.drop(),
      );
    });
  }
}
