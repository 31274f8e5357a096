/** A filter of the event log as a condition of SQL; only the parts that are there take part. */
import type { EventFilter } from '../ports/catalog.ts';
import type { Parameters } from './database.ts';

export function eventCondition(filter: EventFilter): {
  readonly condition: string;
  readonly parameters: Parameters;
} {
  const { severities, subsystem, messageId, tape, user, text, sinceMs, untilMs, vaults } = filter;
  const parts: string[] = [];
  const parameters: Record<string, string | number> = {};
  const add = (name: string, value: string | number | undefined, sql: string): void => {
    if (value === undefined) return;
    parts.push(sql);
    parameters[name] = value;
  };
  const list = severities && `,${severities.join(',')},`;
  add('severities', list, "instr(:severities, ',' || severity || ',') > 0");
  add('subsystem', subsystem, 'substr(messageId, 2, 2) = :subsystem');
  add('messageId', messageId, 'messageId = :messageId');
  add('user', user, 'user = :user');
  add('sinceMs', sinceMs, 'atMs >= :sinceMs');
  add('untilMs', untilMs, 'atMs < :untilMs');
  add('text', text, 'instr(lower(text), lower(:text)) > 0');
  // Vaults' names have no commas. An entry of which nobody can tell has NULL.
  const seen = vaults && `,${vaults.join(',')},`;
  add(
    'vaults',
    seen,
    `event.vaults IS NOT NULL AND NOT EXISTS (
      SELECT 1 FROM json_each(event.vaults) AS vault
      WHERE instr(:vaults, ',' || vault.value || ',') = 0)`,
  );
  // Tapes' names have letters and digits only, so nothing in one is a pattern.
  const glob = tape && `*[^A-Za-z0-9]${tape}[^A-Za-z0-9]*`;
  add('tape', glob, "' ' || text || ' ' GLOB :tape");
  return { condition: parts.length === 0 ? 'TRUE' : parts.join(' AND '), parameters };
}
