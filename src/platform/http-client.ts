/** Requests to an HTTP server at a URL or at a Unix socket, without a limit in time: an operation may take long. */
import { request as httpRequest } from 'node:http';
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { CapstanError } from '../base/errors.ts';
import { SECOND_MS } from '../base/units.ts';
import { checkSocketPath } from './control-socket.ts';

/** A server that has not taken the connection by then does not answer. */
const CONNECT_TIMEOUT_MS = 20 * SECOND_MS;
const KEEP_ALIVE_DELAY_MS = 30 * SECOND_MS;

/** Where a server is: the path of its control socket, or its URL. */
export type HttpPlace =
  | { readonly path: string }
  | {
      readonly url: URL;
      /** Certificates (PEM) that are trusted instead of the system's. */
      readonly authorities?: string | undefined;
    };

export interface HttpCall {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Ends the call. */
  readonly signal?: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** As messages name the place. */
export const placeName = (place: HttpPlace): string =>
  'path' in place ? place.path : place.url.origin;

function unreachable(place: HttpPlace, reason: string, cause?: unknown): CapstanError {
  return new CapstanError('SERVER_UNREACHABLE', { path: placeName(place), reason }, { cause });
}

/** Rejects SERVER_UNREACHABLE; LIMIT_EXCEEDED for an answer longer than `bytesMax`. */
export async function sendHttp(
  place: HttpPlace,
  call: HttpCall,
  bytesMax: number,
): Promise<HttpAnswer> {
  const answer = await openHttp(place, call);
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const part of answer as AsyncIterable<Buffer>) {
      length += part.length;
      if (length > bytesMax) {
        throw new CapstanError('LIMIT_EXCEEDED', {
          what: `The length of the answer of ${placeName(place)}`,
          value: 'more',
          limit: `${bytesMax} bytes`,
        });
      }
      parts.push(part);
    }
  } catch (error) {
    if (error instanceof CapstanError) throw error;
    throw unreachable(place, 'the server ended the connection', error);
  }
  return { status: answer.statusCode ?? 0, body: Buffer.concat(parts).toString('utf8') };
}

/** The answer, its body still to be read. Rejects SERVER_UNREACHABLE. */
export function openHttp(place: HttpPlace, call: HttpCall): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = startRequest(place, call);
    request.once('response', resolve);
    request.once('error', (cause) => reject(unreachable(place, reasonOf(cause), cause)));
    request.end(call.body);
  });
}

function startRequest(place: HttpPlace, call: HttpCall): ClientRequest {
  const { method, target, body, signal } = call;
  const options: RequestOptions = {
    method,
    path: target,
    headers: {
      ...call.headers,
      ...(body !== undefined && {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
      }),
    },
    agent: false,
    ...(signal !== undefined && { signal }),
  };
  if ('path' in place) {
    checkSocketPath(place.path);
    return httpRequest({ ...options, host: 'localhost', socketPath: place.path });
  }
  const { url, authorities } = place;
  const { hostname, port, protocol } = url;
  const host = { host: hostname.replace(/^\[(.*)\]$/, '$1'), ...(port !== '' && { port }) };
  const trust = authorities === undefined ? {} : { ca: authorities };
  const request =
    protocol === 'https:'
      ? httpsRequest({ ...options, ...host, ...trust })
      : httpRequest({ ...options, ...host });
  watchConnect(request, place);
  return request;
}

/** Ends the attempt to connect after a time; a connection that is there may be silent for long. */
function watchConnect(request: ClientRequest, place: HttpPlace): void {
  request.once('socket', (socket) => {
    const timer = setTimeout(() => {
      request.destroy(unreachable(place, `no answer within ${CONNECT_TIMEOUT_MS / SECOND_MS} s`));
    }, CONNECT_TIMEOUT_MS);
    const done = (): void => clearTimeout(timer);
    socket.once('connect', () => {
      done();
      socket.setKeepAlive(true, KEEP_ALIVE_DELAY_MS);
    });
    socket.once('close', done);
  });
}

function reasonOf(cause: Error): string {
  if (cause instanceof CapstanError) return String(cause.fields['reason'] ?? cause.message);
  if ('code' in cause && cause.code === 'EACCES') return 'it belongs to another user';
  // Who ends a connection before the answer is heard as a reset.
  if ('code' in cause && cause.code === 'ECONNRESET') return 'the server ended the connection';
  return cause.message === '' ? String('code' in cause ? cause.code : cause) : cause.message;
}
