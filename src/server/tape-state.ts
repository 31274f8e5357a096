/** What a tape's row says about the state of its content. */
import type { TapeRow } from '../ports/catalog.ts';

type Content = Pick<TapeRow, 'payloadBytes' | 'erasedAtMs' | 'migratedAtMs' | 'writtenAtMs'>;

/**
 * Erased: nothing of its content is left, and its metadata say so.
 * @source VTS 6.04.04 p. 97: size 0 with its metadata kept
 */
export function isErased({ payloadBytes, erasedAtMs }: Content): boolean {
  return payloadBytes === 0 && erasedAtMs !== undefined;
}

/** Whether the last content that was written is in a migration: nothing was written since. */
export function isMigrated({ migratedAtMs, writtenAtMs }: Content): boolean {
  return migratedAtMs !== undefined && migratedAtMs >= (writtenAtMs ?? 0);
}

/** Erased after it was migrated: a mount waits until the content is back. */
export function awaitsRecall(tape: Content): boolean {
  return isErased(tape) && isMigrated(tape);
}
