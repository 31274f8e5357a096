/** Operations on the event log. */
import { z } from 'zod';
import { NAME_PATTERNS } from '../../base/names.ts';
import type { EventFilter } from '../../ports/catalog.ts';
import { SEVERITY_ORDER, parseEventTime, severitiesFrom } from '../event-filter.ts';
import { query } from './operation.ts';
import type { OperationTable } from './operation.ts';

const EVENT_LIMIT_MAX = 10_000;
const TEXT_CHARS_MAX = 177;

const eventFilter = z.object({
  /** This one and worse ones. */
  severity: z.enum(SEVERITY_ORDER).optional(),
  subsystem: z
    .string()
    .regex(/^\d\d$/)
    .meta({ title: 'two digits, as 22 for AutoCopy' })
    .optional(),
  message: z
    .string()
    .regex(/^\d{6}$/)
    .meta({ title: 'six digits' })
    .optional(),
  tape: z.string().regex(NAME_PATTERNS.tape).meta({ title: 'the name of a tape' }).optional(),
  user: z.string().max(15).optional(),
  text: z.string().max(TEXT_CHARS_MAX).optional(),
  since: z.string().max(40).optional(),
  until: z.string().max(40).optional(),
});

export type EventFilterParameters = z.infer<typeof eventFilter>;

export const EVENTS_OPERATIONS: OperationTable = {
  'events.list': query(
    'view-log-files',
    z.strictObject({
      afterId: z.int().min(0).optional(),
      limit: z.int().min(1).max(EVENT_LIMIT_MAX).default(50),
      ...eventFilter.shape,
    }),
    ({ context, caller }, { afterId, limit, ...wanted }) =>
      context.ports.catalog.listEvents({
        limit,
        where: {
          ...toEventFilter(wanted),
          ...(caller.vaults !== 'all' && { vaults: [...caller.vaults] }),
        },
        ...(afterId !== undefined && { afterId }),
      }),
  ),
};

/** What an operator asks for, as the catalog takes it. Throws INVALID_ARGUMENT for what is no time. */
export function toEventFilter(wanted: EventFilterParameters): EventFilter {
  const { severity, subsystem, message, tape, user, text, since, until } = wanted;
  return {
    ...(severity !== undefined && { severities: severitiesFrom(severity) }),
    ...(subsystem !== undefined && { subsystem }),
    ...(message !== undefined && { messageId: message }),
    ...(tape !== undefined && { tape }),
    ...(user !== undefined && { user }),
    ...(text !== undefined && { text }),
    ...(since !== undefined && { sinceMs: parseEventTime(since) }),
    ...(until !== undefined && { untilMs: parseEventTime(until) }),
  };
}
