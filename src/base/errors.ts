/**
 * Operating errors at a port: one class, its codes in one table.
 *
 * `message` is a sentence with `{field}` places and, where one exists, the remedy. `retryable` says
 * whether the same call may succeed later without anybody changing anything. `severity` is the
 * event log's digit (2 Info, 4 Warning, 6 Error, 8 Critical).
 */

interface ErrorKind {
  readonly message: string;
  readonly retryable: boolean;
  readonly severity: 2 | 4 | 6 | 8;
}

export const ERRORS = {
  NAME_INVALID: {
    message: 'The {kind} name {name} is refused: it must match {pattern}.',
    retryable: false,
    severity: 6,
  },
  NOT_FOUND: { message: 'No {kind} is named {name}.', retryable: false, severity: 6 },
  ALREADY_EXISTS: {
    message: 'A {kind} named {name} exists already{where}.',
    retryable: false,
    severity: 6,
  },
  IN_USE: { message: 'The {kind} {name} is in use: {by}.', retryable: true, severity: 4 },
  VAULT_CLOSED: {
    message:
      'Vault {vault} is closed. {reason} Once its disk is well, `capstan vault open {vault}`.',
    retryable: true,
    severity: 8,
  },
  VAULT_ELSEWHERE: {
    message:
      'The shared vault {vault} is kept by {keeper} now; this can be done only there, or once this server keeps it.',
    retryable: true,
    severity: 4,
  },
  TAPE_LOCKED: {
    message: 'Tape {name} is {how} and cannot be {doing}: {remedy}.',
    retryable: true,
    severity: 4,
  },
  INVALID_ARGUMENT: { message: '{what} is refused: {reason}.', retryable: false, severity: 6 },
  LIMIT_EXCEEDED: {
    message: '{what} is {value}, over the limit of {limit}.',
    retryable: false,
    severity: 6,
  },
  STORE_CORRUPT: {
    message: 'Damaged data at {place}: {what}.',
    retryable: false,
    severity: 8,
  },
  STORE_LOCKED: {
    message: 'The store {path} is open for writing in another process ({holder}); stop that first.',
    retryable: true,
    severity: 6,
  },
  STORE_FAILED: {
    message:
      'The store {path} takes no more writes since {what}; restart the server once the disk is well.',
    retryable: false,
    severity: 8,
  },
  NO_SPACE: {
    message: 'The disk under {path} is full; free space or move the vault.',
    retryable: true,
    severity: 8,
  },
  DISK_IO: { message: 'The disk failed at {place}: {what}.', retryable: true, severity: 8 },
  CONNECTION_LOST: {
    message: 'The connection to {peer} was lost: {reason}.',
    retryable: true,
    severity: 4,
  },
  CONNECTION_REFUSED: {
    message: '{peer} cannot be reached: {reason}.',
    retryable: true,
    severity: 4,
  },
  AUTHENTICATION_FAILED: {
    message: '{peer} refused the authentication of {user}: {reason}.',
    retryable: true,
    severity: 6,
  },
  HOST_KEY_MISMATCH: {
    message: '{peer} showed host key {found}, pinned is {expected}; somebody may be in between.',
    retryable: true,
    severity: 8,
  },
  PROTOCOL_VIOLATION: {
    message: '{peer} broke the replication protocol: {what}.',
    retryable: true,
    severity: 6,
  },
  COPY_REFUSED: { message: '{peer} refuses tape {tape}: {reason}.', retryable: true, severity: 6 },
  PEER_REFUSED: { message: '{peer} refuses {what}: {reason}.', retryable: true, severity: 6 },
  COPY_CANCELLED: {
    message: 'The copy of tape {tape} was ended: {reason}.',
    retryable: true,
    severity: 2,
  },
  LICENCE_MISSING: {
    message:
      '{feature} needs a licence that this server does not have; `capstan licence add` takes one.',
    retryable: false,
    severity: 6,
  },
  RIGHT_MISSING: {
    message: 'The user {user} lacks the right "{right}"; an administrator gives it.',
    retryable: false,
    severity: 4,
  },
  LOGON_REFUSED: {
    message: 'The log-on of {user} is refused: {reason}.',
    retryable: false,
    severity: 4,
  },
  SESSION_ENDED: {
    message: 'The session is over, or there never was one; log on again.',
    retryable: false,
    severity: 4,
  },
  RATE_LIMITED: {
    message: 'Too many {what}: at most {limit}; try again in {seconds} seconds.',
    retryable: true,
    severity: 4,
  },
  PROGRAM_FAILED: { message: '{program} failed: {reason}.', retryable: true, severity: 6 },
  SERVER_UNREACHABLE: {
    message: 'No server answers at {path}: {reason}.',
    retryable: true,
    severity: 6,
  },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

/** An operating error: `code` out of {@link ERRORS}, the named `fields` of its message, its `cause`. */
export class CapstanError extends Error {
  override readonly name = 'CapstanError';
  readonly code: ErrorCode;
  readonly fields: Readonly<Record<string, string | number>>;

  constructor(
    code: ErrorCode,
    fields: Readonly<Record<string, string | number>>,
    options?: { readonly cause?: unknown },
  ) {
    super(
      ERRORS[code].message.replace(/\{(\w+)\}/g, (_, field: string) => String(fields[field] ?? '')),
      options,
    );
    this.code = code;
    this.fields = fields;
  }

  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }
}

/** Whether `error` is a {@link CapstanError} of one of `codes` (of any code where none is given). */
export function isCapstanError(error: unknown, ...codes: ErrorCode[]): error is CapstanError {
  return error instanceof CapstanError && (codes.length === 0 || codes.includes(error.code));
}
