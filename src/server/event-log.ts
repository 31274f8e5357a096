/**
 * The event log: what an operator must see, out of the catalogue of messages (event-messages.ts).
 *
 * @source VTS 8.3 Configuration Guide and 6.04.02 Operations Guide, "Event log".
 */
import type { Catalog, EventRow, EventSubject, NewEvent } from '../ports/catalog.ts';
import type { Clock } from '../ports/clock.ts';
import { EVENT_LINE_LIMITS, SEVERITIES, cleanField } from './event-line.ts';
import { EVENT_MESSAGES, NAMING_FIELDS } from './event-messages.ts';
import type { EventFields, EventKind, EventMessage } from './event-messages.ts';

/** Who caused an event; the server itself unless told otherwise. */
export interface EventOrigin {
  /** IP address, or that of the server. */
  readonly address?: string;
  readonly user?: string;
  readonly program?: string;
}

export interface EventLogOptions {
  readonly catalog: Pick<Catalog, 'appendEvent'>;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly settings: { readonly address: string };
  /** Who causes the entries that do not say so themselves; the server where it is missing. */
  readonly origin?: EventOrigin;
  /** Called for each entry that is kept. */
  readonly onLogged?: (event: EventRow) => void;
  /** Called where {@link EventLog.report} could not keep an entry. */
  readonly onLost?: (event: Omit<EventRow, 'id'>, error: unknown) => void;
}

/** Writes entries. Fields from outside may hold anything: they are cleaned and cut. */
export class EventLog {
  readonly #options: EventLogOptions;
  #hasWritten = false;

  constructor(options: EventLogOptions) {
    this.#options = options;
  }

  /** The same log for what somebody asked for: entries bear that name unless they have one of their own. */
  as(origin: EventOrigin): EventLog {
    return new EventLog({ ...this.#options, origin });
  }

  /** Whether an entry was made through this very object. */
  get hasWritten(): boolean {
    return this.#hasWritten;
  }

  /** The entry as it would be written now, for a transaction of the catalog that writes it. */
  entry<Message extends EventMessage>(
    message: Message,
    fields: EventFields<Message>,
    origin: EventOrigin = this.#options.origin ?? {},
  ): NewEvent {
    const { clock, settings } = this.#options;
    this.#hasWritten = true;
    const { id, text, names }: EventKind = EVENT_MESSAGES[message];
    const values: Readonly<Record<string, string | number>> = fields;
    const limits = EVENT_LINE_LIMITS;
    return {
      atMs: clock.nowMs(),
      severity: SEVERITIES[id.charAt(0)] ?? 'ERROR',
      messageId: id,
      address: cleanField(origin.address ?? settings.address, limits.address),
      user: cleanField(origin.user ?? 'system', limits.user),
      program: cleanField(origin.program ?? '', limits.program),
      text: cleanField(
        text.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
          cleanField(String(values[name] ?? ''), limits.text),
        ),
        limits.text,
      ),
      about: names === 'anything' ? names : subjectsOf(values, { ...NAMING_FIELDS, ...names }),
    };
  }

  /** Writes an entry; resolves when it would survive a power cut. Rejects as the catalog does. */
  async log<Message extends EventMessage>(
    message: Message,
    fields: EventFields<Message>,
    origin?: EventOrigin,
  ): Promise<EventRow> {
    const row = await this.#options.catalog.appendEvent(this.entry(message, fields, origin));
    this.#options.onLogged?.(row);
    return row;
  }

  /** Writes an entry for who has nothing to wait for; one that could not be kept goes to `onLost`. */
  report<Message extends EventMessage>(
    message: Message,
    fields: EventFields<Message>,
    origin?: EventOrigin,
  ): void {
    this.log(message, fields, origin).catch((error: unknown) => {
      this.#options.onLost?.(this.entry(message, fields, origin), error);
    });
  }
}

function subjectsOf(
  values: Readonly<Record<string, string | number>>,
  kinds: Readonly<Record<string, EventSubject['kind']>>,
): readonly EventSubject[] {
  return Object.entries(kinds).flatMap(([field, kind]) => {
    const name = values[field];
    return name === undefined ? [] : [{ kind, name: String(name) }];
  });
}
