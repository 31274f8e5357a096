/**
 * Why nothing can be done with an encrypted tape on this server: one table of reasons, for whoever is asked
 * to mount or read one.
 *
 * A copy keeps its tape's key ID, and travels and lies as it is: neither AutoCopy nor Instant DR needs the
 * key. An operation on the copy does, there, and fails there with the reason. No server has a key server
 * yet, so the first reason is the one that is given.
 *
 * @source VTS 8.2 Supplemental Installation Guide, p. 21; the reasons are ours.
 */
import type { TapeRow } from '../ports/catalog.ts';

/** Why a key cannot be had, by what is wrong. `{key}` is its ID. */
const KEY_OBSTACLES = {
  'not-enabled': '{key} cannot be had, since Data Encryption is not enabled on this server',
  'no-key-server': '{key} cannot be had, since the key server that made it is not configured here',
  unreachable: '{key} cannot be had, since its key server does not answer',
  'unknown-key': '{key} cannot be had, since its key server does not know it',
} as const;

/** What can be wrong with a tape's key. */
export type KeyObstacle = keyof typeof KEY_OBSTACLES;

/** The sentence that an operator reads; undefined for a tape in the clear. */
export function keyObstacle(
  tape: Pick<TapeRow, 'keyId'>,
  obstacle: KeyObstacle = 'not-enabled',
): string | undefined {
  if (tape.keyId === undefined) return undefined;
  return `no key: ${KEY_OBSTACLES[obstacle].replace('{key}', tape.keyId)}`;
}
