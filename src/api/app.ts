/**
 * The HTTP API over a tape server, from a web-standard request to its response; who listens where is
 * src/platform/http-server.ts.
 *
 * Every operation of src/server/operations.ts by the routes of routes.ts, sessions, live events, the
 * description, metrics and a health check. JSON only; every failure is a problem of problems.ts.
 */
import { Hono } from 'hono';
import type { Context } from 'hono';
import { methodNotAllowed } from 'hono/method-not-allowed';
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { sleep } from '../ports/clock.ts';
import type { Clock } from '../ports/clock.ts';
import type { EventRow } from '../ports/catalog.ts';
import { authorize } from '../server/access.ts';
import type { Access, Principal } from '../server/access.ts';
import type { TapeServer } from '../server/tape-server.ts';
import { EventStream } from './event-stream.ts';
import { Gate } from './gate.ts';
import type { ApiEnv, ApiPeer } from './gate.ts';
import { readJson } from './json.ts';
import { API_LIMITS } from './limits.ts';
import { openApiDocument } from './openapi.ts';
import { readParameters } from './parameters.ts';
import { ApiError, problemResponse } from './problems.ts';
import { API_PREFIX, ROUTES } from './routes.ts';
import type { Route } from './routes.ts';
import { addSessionRoutes } from './session.ts';
import { parseKinds } from './stream-events.ts';

/** The operation whose text /metrics is. */
const METRICS_OPERATION = 'server.metrics';
const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
const STREAM_PARAMETERS = ['kinds', 'afterId'];
/** How often a stop looks whether all requests have ended. */
const DRAIN_POLL_MS = 20;

export interface ApiOptions {
  readonly server: Pick<TapeServer, 'operations' | 'onEventFor' | 'eventLog'>;
  readonly access: Access;
  readonly clock: Clock;
  /** The program's version, for the description. */
  readonly version: string;
  /** A fault of the program's own, for the log; the client gets one sentence. */
  readonly onFault: (error: unknown) => void;
}

export class Api {
  readonly #options: ApiOptions;
  readonly #gate: Gate;
  readonly #app = new Hono<ApiEnv>();
  readonly #streams = new Set<EventStream>();
  #requestCount = 0;
  #isClosing = false;

  constructor(options: ApiOptions) {
    this.#options = options;
    this.#gate = new Gate(options.access, options.clock, options.server.eventLog);
    this.#addGuards();
    this.#addPublicRoutes();
    addSessionRoutes(this.#app, this.#gate, options.clock);
    this.#addStream();
    this.#addMetrics();
    for (const route of ROUTES) this.#addOperation(route);
  }

  async fetch(request: Request, peer: ApiPeer): Promise<Response> {
    return this.#app.fetch(request, peer);
  }

  /** Takes no new request, ends the streams, and resolves when no request or stream is under way, or after a time. */
  async close(): Promise<void> {
    const { clock } = this.#options;
    this.#isClosing = true;
    const reason = 'The server stops; come again once it is back.';
    for (const stream of this.#streams) stream.close({ why: 'server-stops', reason });
    const endMs = clock.monotonicMs() + API_LIMITS.drainTimeoutMs;
    while (this.#requestCount + this.#streams.size > 0 && clock.monotonicMs() < endMs) {
      await sleep(clock, DRAIN_POLL_MS);
    }
  }

  #addGuards(): void {
    const app = this.#app;
    app.onError((error) => {
      const isKnown = error instanceof ApiError || isCapstanError(error);
      if (!isKnown) this.#options.onFault(error);
      return problemResponse(error);
    });
    app.notFound((context) => {
      const name = context.req.path.slice(0, 200);
      const error = new CapstanError('NOT_FOUND', { kind: 'path of the API', name });
      return problemResponse(error);
    });
    app.use(async (context, next) => {
      if (this.#isClosing || this.#requestCount >= API_LIMITS.requestCountMax) {
        const limit = API_LIMITS.requestCountMax;
        const fields = { what: 'requests at a time', limit, seconds: 1 };
        throw new ApiError(503, new CapstanError('RATE_LIMITED', fields), { 'retry-after': '1' });
      }
      this.#requestCount += 1;
      try {
        await next();
      } finally {
        this.#requestCount -= 1;
      }
      context.header('x-content-type-options', 'nosniff');
      if (!context.res.headers.has('cache-control')) context.header('cache-control', 'no-store');
    });
    app.use(
      methodNotAllowed({
        app,
        onMethodNotAllowed: (context, methods) => {
          const allow = methods.join(', ');
          const fields = { what: `The method ${context.req.method}`, reason: `there is ${allow}` };
          const error = new CapstanError('INVALID_ARGUMENT', fields);
          return problemResponse(new ApiError(405, error, { allow }));
        },
      }),
    );
  }

  #addPublicRoutes(): void {
    const document = JSON.stringify(openApiDocument(this.#options.version));
    this.#app.get('/healthz', (context) => context.json({ status: 'ok' }));
    this.#app.get(`${API_PREFIX}/openapi.json`, (context) =>
      context.body(document, 200, { 'content-type': 'application/json' }),
    );
  }

  #addOperation(route: Route): void {
    const { operations } = this.#options.server;
    const path = API_PREFIX + route.path.replaceAll(/\{(\w+)\}/g, ':$1');
    this.#app.on(route.method, path, async (context) => {
      const principal = await this.#gate.principalOf(context);
      const query = new URL(context.req.url).searchParams;
      const body = await readJson(context);
      const keys: Readonly<Record<string, string>> = context.req.param();
      const parameters = readParameters(route, keys, query, body);
      const result = await operations.callAs(principal, route.operation, parameters);
      return context.json(result ?? null, route.status);
    });
  }

  #addMetrics(): void {
    const { operations } = this.#options.server;
    this.#app.get('/metrics', async (context) => {
      const principal = await this.#gate.principalOf(context);
      const text = await operations.callAs(principal, METRICS_OPERATION, {});
      return context.body(String(text), 200, { 'content-type': METRICS_TYPE });
    });
  }

  #addStream(): void {
    this.#app.get(`${API_PREFIX}/events/stream`, async (context) => {
      const principal = await this.#gate.principalOf(context);
      authorize(principal, 'view-system-status');
      checkQuery(context, STREAM_PARAMETERS);
      const newestId = await this.#logEnd({ limit: 1 });
      if (this.#streams.size >= API_LIMITS.streamCountMax) {
        const fields = { what: 'event streams', limit: API_LIMITS.streamCountMax, seconds: 10 };
        throw new ApiError(503, new CapstanError('RATE_LIMITED', fields), { 'retry-after': '10' });
      }
      const stream = this.#openStream(context, principal, newestId);
      this.#streams.add(stream);
      return context.body(stream.body, 200, { 'content-type': 'text/event-stream' });
    });
  }

  /** Number of the first entry of the event log that is listed so; 0 where there is none. */
  async #logEnd(parameters: { readonly afterId?: number; readonly limit: 1 }): Promise<number> {
    const { operations } = this.#options.server;
    const rows = (await operations.call('events.list', parameters)) as readonly EventRow[];
    return rows[0]?.id ?? 0;
  }

  #openStream(context: Context<ApiEnv>, opener: Principal, newestId: number): EventStream {
    const { server, clock } = this.#options;
    // What its rights are changes while it reads.
    let principal = opener;
    const text = context.req.query('kinds');
    const asked = text === undefined ? undefined : parseKinds(text);
    if (asked?.has('event-logged') === true) authorize(principal, 'view-log-files');
    const stream: EventStream = new EventStream({
      clock,
      wants: (kind) =>
        (asked?.has(kind) ?? true) &&
        (kind !== 'event-logged' || principal.rights.has('view-log-files')),
      lastEventId: lastEventIdOf(context),
      newestId,
      onEvent: (listener) => server.onEventFor(() => principal, listener),
      listEvents: async (afterId, limit) => {
        const parameters = { afterId, limit };
        const rows = await server.operations.callAs(principal, 'events.list', parameters);
        return rows as readonly EventRow[];
      },
      oldestId: () => this.#logEnd({ afterId: 0, limit: 1 }),
      check: async () => {
        principal = await this.#gate.principalOf(context);
        authorize(principal, 'view-system-status');
      },
      drop: () => context.env.drop(),
      onTooSlow: () => {
        const { user, address, program } = principal;
        const fields = { user, count: API_LIMITS.streamBacklogMax };
        const origin = { user, program, ...(address !== undefined && { address }) };
        server.eventLog.report('API_READER_DROPPED', fields, origin);
      },
      onEnd: () => this.#streams.delete(stream),
    });
    return stream;
  }
}

function checkQuery(context: Context, known: readonly string[]): void {
  const strange = Object.keys(context.req.queries()).find((name) => !known.includes(name));
  if (strange === undefined) return;
  const what = JSON.stringify(strange.slice(0, 40));
  throw new CapstanError('INVALID_ARGUMENT', { what, reason: `there is ${known.join(', ')}` });
}

/** The header wins: a browser that comes again sends both. */
function lastEventIdOf(context: Context): number | undefined {
  const text = context.req.header('last-event-id') ?? context.req.query('afterId');
  if (text === undefined || text === '') return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  const what = 'The number of the last event';
  throw new CapstanError('INVALID_ARGUMENT', { what, reason: 'it is no whole number' });
}
