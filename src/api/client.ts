/** A client of the API: calls operations by name, and follows events. What the command line speaks through. */
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { openHttp, placeName, sendHttp } from '../platform/http-client.ts';
import type { HttpPlace } from '../platform/http-client.ts';
import type { ServerEvent } from '../server/context.ts';
import { EventParser } from './event-parser.ts';
import { API_LIMITS } from './limits.ts';
import { writeParameters } from './parameters.ts';
import { errorOf } from './problems.ts';
import { API_PREFIX, routeNamed } from './routes.ts';
import type { StreamEvent } from './stream-events.ts';

export interface ApiClientOptions {
  readonly place: HttpPlace;
  /** Of a session or a program; at a control socket none is needed. */
  readonly token?: string | undefined;
  /** For the event log: `capstan/0.1.0`. */
  readonly program: string;
}

export interface FollowOptions {
  readonly kinds: readonly ServerEvent['kind'][];
  /** Begins behind this entry of the event log instead of with what is new. */
  readonly lastEventId?: number;
  /** Ends it. */
  readonly signal?: AbortSignal;
}

export class ApiClient {
  readonly #options: ApiClientOptions;

  constructor(options: ApiClientOptions) {
    this.#options = options;
  }

  /** Rejects with the server's CapstanError; SERVER_UNREACHABLE. */
  async call(operation: string, parameters: Readonly<Record<string, unknown>>): Promise<unknown> {
    const route = routeNamed(operation);
    const { target, body } = writeParameters(route, parameters);
    return this.send(route.method, target, body);
  }

  /** A request outside the operations: a session. */
  async send(method: string, target: string, body?: unknown): Promise<unknown> {
    const { place } = this.#options;
    const call = {
      method,
      target,
      headers: this.#headers(),
      ...(body !== undefined && { body: JSON.stringify(body) }),
    };
    const answer = await sendHttp(place, call, API_LIMITS.answerBytesMax);
    if (answer.status >= 400) throw errorOf(answer.status, answer.body);
    if (answer.body === '') return null;
    try {
      return JSON.parse(answer.body);
    } catch (cause) {
      const fields = { path: placeName(place), reason: 'what answers there is no Capstan server' };
      throw new CapstanError('SERVER_UNREACHABLE', fields, { cause });
    }
  }

  /**
   * Follows events, and what the stream says of itself; resolves once it is open. `ended` resolves when
   * the signal ended it, and rejects SERVER_UNREACHABLE when anything else did.
   */
  async follow(
    { kinds, lastEventId, signal }: FollowOptions,
    onEvent: (event: StreamEvent) => void,
  ): Promise<{ readonly ended: Promise<void> }> {
    const { place } = this.#options;
    const answer = await openHttp(place, {
      method: 'GET',
      target: `${API_PREFIX}/events/stream?kinds=${kinds.join(',')}`,
      headers: {
        ...this.#headers(),
        ...(lastEventId !== undefined && { 'last-event-id': String(lastEventId) }),
      },
      ...(signal !== undefined && { signal }),
    });
    answer.setEncoding('utf8');
    if (answer.statusCode !== 200) {
      let text = '';
      for await (const part of answer as AsyncIterable<string>) text += part;
      throw errorOf(answer.statusCode ?? 0, text);
    }
    const read = async (): Promise<void> => {
      const parser = new EventParser();
      try {
        for await (const part of answer as AsyncIterable<string>) {
          for (const { data } of parser.push(part)) onEvent(JSON.parse(data) as StreamEvent);
        }
      } catch (error) {
        if (signal?.aborted === true) return;
        if (isCapstanError(error) || !(error instanceof Error && 'code' in error)) throw error;
      }
      const reason = 'the server ended the connection';
      throw new CapstanError('SERVER_UNREACHABLE', { path: placeName(place), reason });
    };
    return { ended: read() };
  }

  #headers(): Record<string, string> {
    const { token, program } = this.#options;
    return {
      'user-agent': program,
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    };
  }
}
