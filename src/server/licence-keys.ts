/**
 * Licence keys: what one carries, and whether it is genuine.
 *
 *   CAPSTAN1-<payload, base64url>.<signature, base64url>
 *
 * The payload is JSON; the signature is Ed25519 over LICENCE_CONTEXT and the payload's bytes. Dates are
 * days of UTC; a licence holds to the end of its last day. Blanks and line ends, which mail adds, do not
 * count. Limits: LICENCE_KEY_CHARS_MAX, and those of the schema below.
 */
import { z } from 'zod';
import { concatBytes } from '../base/bytes.ts';
import { parseTimestamp } from '../base/civil-time.ts';
import { encodeUtf8, fromBase64Url, fromHex } from '../base/encodings.ts';
import { CapstanError } from '../base/errors.ts';
import { NAME_PATTERNS } from '../base/names.ts';
import { GIB } from '../base/units.ts';
import type { Cryptography } from '../ports/cryptography.ts';

/** What needs a licence, by the name that keys carry. */
export const FEATURES = {
  autocopy: 'AutoCopy',
  'instant-dr': 'Instant DR',
  encryption: 'Data Encryption',
  migration: 'Migration',
  'export-capacity': 'Stacked export',
} as const satisfies Record<string, string>;

export type Feature = keyof typeof FEATURES;
export const ALL_FEATURES = Object.keys(FEATURES) as readonly Feature[];

/** The number of the licence that is part of the program. */
export const LABORATORY = 'LABORATORY';
export const LICENCE_KEY_CHARS_MAX = 4096;
/** Ahead of the payload under the signature, so that nothing else that was signed passes for a licence. */
export const LICENCE_CONTEXT = 'Capstan licence 1\n';
const KEY_PATTERN = /^CAPSTAN1-(?<payload>[A-Za-z0-9_-]+)\.(?<signature>[A-Za-z0-9_-]{86})$/;
const DAY_MS = 86_400_000;

/** Whose signature counts: hexadecimal Ed25519 public keys. */
export const LICENCE_PUBLIC_KEYS: readonly string[] = [
  '40df77e367e825e57d3bb9159ab64d8595ee3a948a465a499497277acacf369c',
];

const day = z
  .string()
  .regex(/^\d{4}-\d\d-\d\d$/)
  .refine((text) => dayMs(text) !== undefined, 'it is no day');

const payloadSchema = z.strictObject({
  number: z.string().regex(/^[A-Z0-9][A-Z0-9-]{0,19}$/),
  holder: z.string().regex(/^[ -~]{1,60}$/),
  features: z.array(z.enum(ALL_FEATURES)).min(1).max(ALL_FEATURES.length),
  /** Of stacked exports, bytes. */
  capacityBytes: z.int().min(1).optional(),
  /** The one server that it is for; any where it is missing. */
  server: z.string().regex(NAME_PATTERNS.server).optional(),
  issued: day,
  /** Its last day; none where it is missing. */
  expires: day.optional(),
});

export interface Licence {
  readonly number: string;
  readonly holder: string;
  readonly features: readonly Feature[];
  readonly capacityBytes: number | undefined;
  readonly server: string | undefined;
  readonly issuedAtMs: number | undefined;
  /** The first moment at which it counts no more. */
  readonly expiresAtMs: number | undefined;
}

/** Free, in every server, without an end: enough for any laboratory, with a limit on stacked exports only. */
export const LABORATORY_LICENCE: Licence = {
  number: LABORATORY,
  holder: 'every laboratory',
  features: ALL_FEATURES,
  capacityBytes: 10 * 1024 * GIB,
  server: undefined,
  issuedAtMs: undefined,
  expiresAtMs: undefined,
};

/**
 * The licence of a key. Throws INVALID_ARGUMENT where it is none, is damaged, or was signed by somebody
 * else.
 */
export function readLicenceKey(
  text: string,
  cryptography: Pick<Cryptography, 'verifyEd25519'>,
  publicKeys: readonly string[] = LICENCE_PUBLIC_KEYS,
): Licence {
  if (text.length > LICENCE_KEY_CHARS_MAX) {
    throw refusal(`it has more than ${LICENCE_KEY_CHARS_MAX} characters`);
  }
  const groups = KEY_PATTERN.exec(text.replaceAll(/\s/g, ''))?.groups;
  const payload = fromBase64Url(groups?.['payload'] ?? '');
  const signature = fromBase64Url(groups?.['signature'] ?? '');
  if (groups === undefined || payload === undefined || signature === undefined) {
    throw refusal(
      'it is not CAPSTAN1-, the licence, a dot and the signature; a part may be missing',
    );
  }
  const message = concatBytes([encodeUtf8(LICENCE_CONTEXT), payload]);
  const genuine = publicKeys.some((each) => {
    const publicKey = fromHex(each);
    return publicKey !== undefined && cryptography.verifyEd25519(publicKey, message, signature);
  });
  // Only what the issuer signed is read.
  if (!genuine) throw refusal('its signature is not that of Capstan');
  return parsePayload(payload);
}

function parsePayload(payload: Uint8Array): Licence {
  let value: unknown;
  try {
    value = JSON.parse(String.fromCodePoint(...payload));
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw refusal('it holds no JSON');
  }
  const parsed = payloadSchema.safeParse(value);
  if (!parsed.success) {
    throw refusal(`its ${parsed.error.issues[0]?.path.join('.') ?? 'payload'} is not understood`);
  }
  const { number, holder, features, capacityBytes, server, issued, expires } = parsed.data;
  if (number === LABORATORY) throw refusal(`${LABORATORY} is the number of the one in the program`);
  const lastDayMs = expires === undefined ? undefined : dayMs(expires);
  return {
    number,
    holder,
    features,
    capacityBytes,
    server,
    issuedAtMs: dayMs(issued),
    expiresAtMs: lastDayMs === undefined ? undefined : lastDayMs + DAY_MS,
  };
}

/** The first millisecond of a day `YYYY-MM-DD`. */
function dayMs(text: string): number | undefined {
  return parseTimestamp(`${text} 00:00:00`);
}

function refusal(reason: string): CapstanError {
  return new CapstanError('INVALID_ARGUMENT', { what: 'The licence key', reason });
}
