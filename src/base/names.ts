/** Names from outside are matched here before they get near a path, an SQL text or a peer. */
import { CapstanError } from './errors.ts';

/** What a name names; the key of {@link NAME_PATTERNS}. */
export type NameKind = keyof typeof NAME_PATTERNS;

export const NAME_PATTERNS = {
  /** A volume label has six characters on NonStop: ZTAP-TYP-TAPE-VOLUME. */
  tape: /^[A-Z0-9]{1,6}$/,
  pool: /^[A-Z0-9][A-Z0-9_-]{0,15}$/,
  vault: /^[A-Z0-9][A-Z0-9_-]{0,15}$/,
  drive: /^[A-Z0-9][A-Z0-9_-]{0,15}$/,
  /** A backup scheme of Instant DR. */
  scheme: /^[A-Za-z0-9][A-Za-z0-9_-]{0,15}$/,
  server: /^[A-Za-z0-9][A-Za-z0-9_-]{0,14}$/,
  /** ID of a key of Data Encryption. */
  key: /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
  /** A NonStop node: backslash, a letter, at most six more. */
  host: /^\\[A-Z][A-Z0-9]{0,6}$/,
  /** A NonStop device: dollar sign, a letter, at most six more. */
  device: /^\$[A-Z][A-Z0-9]{0,6}$/,
  /** Who logs on; as long as the event log's field of a user. */
  user: /^[a-z][a-z0-9._-]{0,14}$/,
} as const satisfies Record<string, RegExp>;

/** Returns `name` where it matches its pattern; throws NAME_INVALID that quotes name and pattern. */
export function checkName(kind: NameKind, name: string): string {
  if (NAME_PATTERNS[kind].test(name)) return name;
  throw new CapstanError('NAME_INVALID', {
    kind,
    name: JSON.stringify(name.slice(0, 40)),
    pattern: NAME_PATTERNS[kind].source,
  });
}
