/**
 * Errors as HTTP has them: `application/problem+json` of RFC 9457 with the CapstanError's code, sentence
 * and fields, and back again at a client.
 *
 *   { "type": "urn:capstan:problem:NOT_FOUND", "title": "Not Found", "status": 404,
 *     "detail": "No tape is named LAB001.", "code": "NOT_FOUND",
 *     "fields": { "kind": "tape", "name": "LAB001" }, "retryable": false }
 */
import { CapstanError, ERRORS, isCapstanError } from '../base/errors.ts';
import type { ErrorCode } from '../base/errors.ts';

export const PROBLEM_TYPE = 'application/problem+json';

/** Statuses that the API answers with, and their names. */
export const STATUS_TITLES = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  507: 'Insufficient Storage',
} as const;
export type ProblemStatus = keyof typeof STATUS_TITLES;

/** Codes that are none of 409 (or 503 where the same call may succeed later). */
const STATUSES: Readonly<Partial<Record<ErrorCode, ProblemStatus>>> = {
  NAME_INVALID: 400,
  INVALID_ARGUMENT: 400,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  IN_USE: 409,
  LIMIT_EXCEEDED: 422,
  STORE_CORRUPT: 500,
  STORE_FAILED: 500,
  DISK_IO: 500,
  NO_SPACE: 507,
  CONNECTION_LOST: 502,
  CONNECTION_REFUSED: 502,
  AUTHENTICATION_FAILED: 502,
  HOST_KEY_MISMATCH: 502,
  PROTOCOL_VIOLATION: 502,
  COPY_REFUSED: 502,
  LOGON_REFUSED: 401,
  SESSION_ENDED: 401,
  RIGHT_MISSING: 403,
  LICENCE_MISSING: 403,
  RATE_LIMITED: 429,
};

/** The status of an error's code. */
export function statusOf(code: ErrorCode): ProblemStatus {
  return STATUSES[code] ?? (ERRORS[code].retryable ? 503 : 409);
}

/** An error that has another status than its code, or headers of its own. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: ProblemStatus;
  readonly error: CapstanError;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: ProblemStatus,
    error: CapstanError,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(error.message, { cause: error });
    this.status = status;
    this.error = error;
    this.headers = headers;
  }
}

/** The answer to a request that failed. What is no error of the table shows nothing of its inside. */
export function problemResponse(failure: unknown): Response {
  const error = failure instanceof ApiError ? failure.error : failure;
  if (!isCapstanError(error)) {
    return respond(500, {}, { detail: "A fault of the server's own; its log says more." });
  }
  const status = failure instanceof ApiError ? failure.status : statusOf(error.code);
  const headers = {
    ...(status === 401 && { 'www-authenticate': 'Bearer realm="capstan"' }),
    ...(failure instanceof ApiError && failure.headers),
  };
  const { code, message: detail, fields, retryable } = error;
  return respond(status, headers, { detail, code, fields, retryable });
}

function respond(
  status: ProblemStatus,
  headers: Readonly<Record<string, string>>,
  rest: Readonly<Record<string, unknown>>,
): Response {
  const code = typeof rest['code'] === 'string' ? rest['code'] : 'INTERNAL';
  const problem = {
    type: `urn:capstan:problem:${code}`,
    title: STATUS_TITLES[status],
    status,
    code,
    ...rest,
  };
  return new Response(JSON.stringify(problem), {
    status,
    headers: { 'content-type': PROBLEM_TYPE, 'cache-control': 'no-store', ...headers },
  });
}

/** What a server said went wrong, as the error that it was there. */
export function errorOf(status: number, body: string): Error {
  const problem = parse(body);
  const { code, fields, detail } = problem;
  if (typeof code === 'string' && Object.hasOwn(ERRORS, code) && typeof fields === 'object') {
    return new CapstanError(code as ErrorCode, (fields ?? {}) as CapstanError['fields']);
  }
  const sentence = typeof detail === 'string' ? detail : `The server answered with ${status}.`;
  return new Error(sentence);
}

function parse(body: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
