/** A request's body as JSON, within its limit. */
import type { Context } from 'hono';
import { CapstanError } from '../base/errors.ts';
import { API_LIMITS } from './limits.ts';
import { ApiError } from './problems.ts';

const JSON_TYPE = /^application\/json(?:\s*;\s*charset="?utf-8"?)?$/i;

/** 413 before more than the limit is kept, whether or not the length was told. */
async function readText({ body, headers }: Request): Promise<string> {
  if (body === null) return '';
  if (Number(headers.get('content-length') ?? 0) > API_LIMITS.bodyBytesMax) throw tooLong();
  const decoder = new TextDecoder();
  let text = '';
  let length = 0;
  for await (const part of body as ReadableStream<Uint8Array>) {
    length += part.length;
    if (length > API_LIMITS.bodyBytesMax) throw tooLong();
    text += decoder.decode(part, { stream: true });
  }
  return text + decoder.decode();
}

function tooLong(): ApiError {
  const fields = {
    what: "The request's body",
    value: 'longer',
    limit: `${API_LIMITS.bodyBytesMax} bytes`,
  };
  return new ApiError(413, new CapstanError('LIMIT_EXCEEDED', fields));
}

/** Undefined where the request has no body. 413; 415 for another type than JSON; INVALID_ARGUMENT. */
export async function readJson(context: Context): Promise<unknown> {
  const text = await readText(context.req.raw);
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
