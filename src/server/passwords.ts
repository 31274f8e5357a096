/**
 * Passwords: what they must be, and how they are kept.
 *
 *   scrypt$15,8,3$<salt, hexadecimal>$<hash, hexadecimal>      log2(N), r, p
 *
 * A hash bears its cost, so that a cost which is raised later is noticed, and the password hashed anew, at
 * the next log-on. A password is compared as the NFKC form of what was typed.
 */
import { encodeUtf8, fromHex, toHex } from '../base/encodings.ts';
import { CapstanError } from '../base/errors.ts';
import type { Cryptography, ScryptCost } from '../ports/cryptography.ts';
import type { Random } from '../ports/random.ts';

/** 32 MiB and about a tenth of a second. @source OWASP Password Storage Cheat Sheet */
export const SCRYPT_COST: ScryptCost = { N: 2 ** 15, r: 8, p: 3 };
export const PASSWORD_CHARS_MIN = 12;
export const PASSWORD_CHARS_MAX = 128;
/** Fewer different characters than this are a pattern, no password. */
const DIFFERENT_CHARS_MIN = 5;
const SALT_BYTES = 16;
const HASH_PATTERN =
  /^scrypt\$(?<cost>\d{1,2}),(?<r>\d{1,2}),(?<p>\d{1,2})\$(?<salt>[0-9a-f]{32})\$(?<hash>[0-9a-f]{64})$/;

/**
 * Throws INVALID_ARGUMENT that says what is wrong with a new password. No kinds of characters are
 * demanded: length is what counts. @source NIST SP 800-63B, 3.1.1.2
 */
export function checkPassword(user: string, password: string): void {
  const reason = weakness(user, password);
  if (reason === undefined) return;
  throw new CapstanError('INVALID_ARGUMENT', { what: `The password of ${user}`, reason });
}

function weakness(user: string, password: string): string | undefined {
  const characters = Array.from(password.normalize('NFKC'));
  if (characters.length < PASSWORD_CHARS_MIN)
    return `it is shorter than ${PASSWORD_CHARS_MIN} characters`;
  if (characters.length > PASSWORD_CHARS_MAX)
    return `it is longer than ${PASSWORD_CHARS_MAX} characters`;
  if (characters.some((character) => character < ' ' || character === '\u007f')) {
    return 'it holds a control character';
  }
  if (new Set(characters).size < DIFFERENT_CHARS_MIN) {
    return `it has fewer than ${DIFFERENT_CHARS_MIN} different characters`;
  }
  // A name of one or two characters is in many a good password.
  if (user.length > 2 && password.toLowerCase().includes(user.toLowerCase())) {
    return 'it holds the name of the user';
  }
  return undefined;
}

export class Passwords {
  readonly #cryptography: Cryptography;
  readonly #random: Random;
  readonly #cost: ScryptCost;

  constructor(
    ports: { readonly cryptography: Cryptography; readonly random: Random },
    cost = SCRYPT_COST,
  ) {
    this.#cryptography = ports.cryptography;
    this.#random = ports.random;
    this.#cost = cost;
  }

  /** What is kept of a password. */
  async hash(password: string): Promise<string> {
    const salt = this.#random.bytes(SALT_BYTES);
    const { N, r, p } = this.#cost;
    const hash = await this.#cryptography.scrypt(encodePassword(password), salt, this.#cost);
    return `scrypt$${Math.log2(N)},${r},${p}$${toHex(salt)}$${toHex(hash)}`;
  }

  /** Whether it is the password that `stored` was made of. Takes as long where nothing is stored. */
  async matches(password: string, stored: string | undefined): Promise<boolean> {
    const kept = parseHash(stored);
    const { cost, salt, hash } = kept ?? {
      cost: this.#cost,
      salt: new Uint8Array(SALT_BYTES),
      hash: new Uint8Array(0),
    };
    const found = await this.#cryptography.scrypt(encodePassword(password), salt, cost);
    return this.#cryptography.equal(found, hash);
  }

  /** Whether `stored` was made at another cost than new hashes are. */
  isOutdated(stored: string): boolean {
    const cost = parseHash(stored)?.cost;
    const { N, r, p } = this.#cost;
    return cost?.N !== N || cost.r !== r || cost.p !== p;
  }
}

/** What is longer than a password may be is wrong anyway, and is not worked on at its length. */
function encodePassword(password: string): Uint8Array {
  return encodeUtf8(password.normalize('NFKC').slice(0, 2 * PASSWORD_CHARS_MAX + 1));
}

function parseHash(
  stored: string | undefined,
): { readonly cost: ScryptCost; readonly salt: Uint8Array; readonly hash: Uint8Array } | undefined {
  const groups = HASH_PATTERN.exec(stored ?? '')?.groups;
  const salt = fromHex(groups?.['salt'] ?? '');
  const hash = fromHex(groups?.['hash'] ?? '');
  if (groups === undefined || salt === undefined || hash === undefined) return undefined;
  const [cost = 0, r = 0, p = 0] = [groups['cost'], groups['r'], groups['p']].map(Number);
  return { cost: { N: 2 ** cost, r, p }, salt, hash };
}
