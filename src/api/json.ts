/** A request's body as JSON, within its limit. */
import type { Context } from 'hono';
import { CapstanError } from '../base/errors.ts';
import { ApiError } from './problems.ts';

const JSON_TYPE = /^application\/json(?:\s*;\s*charset="?utf-8"?)?$/i;

/** Undefined where the request has no body. 415 for another type than JSON; INVALID_ARGUMENT. */
export async function readJson(context: Context): Promise<unknown> {
  const text = await context.req.text();
  if (text === '') return undefined;
  if (!JSON_TYPE.test(context.req.header('content-type')?.trim() ?? '')) {
    const reason = 'its content type must be application/json';
    throw new ApiError(415, new CapstanError('INVALID_ARGUMENT', { what: 'The body', reason }));
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new CapstanError(
      'INVALID_ARGUMENT',
      { what: 'The body', reason: 'it is no JSON' },
      { cause },
    );
  }
}
