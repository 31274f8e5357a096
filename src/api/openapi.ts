/** The API's description of itself in OpenAPI 3.1, made from the routes and the operations' schemas. */
import { z } from 'zod';
import { OPERATIONS, OPERATION_RESULTS } from '../server/operations.ts';
import type { Operation } from '../server/operations/operation.ts';
import { RIGHTS } from '../server/rights.ts';
import { COOKIE_HEADER, SESSION_COOKIE } from './gate.ts';
import { PROBLEM_TYPE } from './problems.ts';
import { API_PREFIX, ROUTES, parametersSchema } from './routes.ts';
import type { ParametersSchema, Route } from './routes.ts';
import { logonSchema, sessionSchema } from './session.ts';
import { EVENT_KINDS, STREAM_KINDS } from './stream-events.ts';

type Json = Readonly<Record<string, unknown>>;

const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string(),
  fields: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
  retryable: z.boolean().optional(),
});

const PROBLEM: Json = {
  description: 'It failed: `code` says how, `detail` in a sentence.',
  content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
};

/** The schema without what only a file of its own needs. */
function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
}

function answer(description: string, schema: Json, type = 'application/json'): Json {
  return { description, content: { [type]: { schema } } };
}

/** `autocopy.create` as 'autocopy create'. */
const summaryOf = ({ operation }: Route): string =>
  operation.replaceAll('.', ' ').replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

function parameter(name: string, place: 'path' | 'query', schema: ParametersSchema): Json {
  const required = place === 'path' || schema.required.includes(name);
  return { name, in: place, required, schema: schema.properties[name] ?? {} };
}

function describe(route: Route, entry: Operation): Json {
  const schema = parametersSchema(entry);
  const rest = Object.keys(schema.properties).filter((name) => !route.keys.includes(name));
  const inQuery = route.rest === 'query' ? rest : [];
  const inBody = route.rest === 'body' ? rest : [];
  const required = inBody.filter((name) => schema.required.includes(name));
  const body = {
    type: 'object',
    properties: Object.fromEntries(inBody.map((name) => [name, schema.properties[name]])),
    ...(required.length > 0 && { required }),
    additionalProperties: false,
  };
  const result = OPERATION_RESULTS[route.operation];
  return {
    operationId: route.operation,
    summary: summaryOf(route),
    description: `Needs the right "${RIGHTS[entry.right]}".`,
    tags: [route.operation.split('.')[0]],
    parameters: [
      ...route.keys.map((name) => parameter(name, 'path', schema)),
      ...inQuery.map((name) => parameter(name, 'query', schema)),
    ],
    ...(inBody.length > 0 && {
      requestBody: {
        required: required.length > 0,
        content: { 'application/json': { schema: body } },
      },
    }),
    responses: {
      [route.status]: answer('Done.', result === undefined ? {} : jsonSchema(result, 'input')),
      default: PROBLEM,
    },
  };
}

function streamDescription(): string {
  const kinds = Object.entries({ ...EVENT_KINDS, ...STREAM_KINDS });
  return [
    'Needs the right "View System Status"; "View log files" for event-log entries.',
    'Each event has its kind and, as data, JSON with the same "kind":',
    ...kinds.map(([kind, what]) => `- ${kind}: ${what}`),
  ].join('\n');
}

/** Paths that are no operation. */
const OTHER_PATHS: Json = {
  [`${API_PREFIX}/session`]: {
    post: {
      operationId: 'session.open',
      summary: 'log on',
      tags: ['session'],
      security: [],
      requestBody: {
        required: true,
        content: { 'application/json': { schema: jsonSchema(logonSchema, 'input') } },
      },
      responses: { 201: answer('Done.', jsonSchema(sessionSchema, 'output')), default: PROBLEM },
    },
    get: {
      operationId: 'session.show',
      summary: 'who one is',
      tags: ['session'],
      responses: { 200: answer('Done.', jsonSchema(sessionSchema, 'output')), default: PROBLEM },
    },
    delete: {
      operationId: 'session.close',
      summary: 'log off',
      tags: ['session'],
      responses: { 204: { description: 'Done.' }, default: PROBLEM },
    },
  },
  [`${API_PREFIX}/events/stream`]: {
    get: {
      operationId: 'events.stream',
      summary: 'what happens, as it happens',
      description: streamDescription(),
      tags: ['events'],
      parameters: [
        {
          name: 'kinds',
          in: 'query',
          description: 'Only these, with commas between them.',
          schema: { type: 'array', items: { enum: Object.keys(EVENT_KINDS) }, minItems: 1 },
          style: 'form',
          explode: false,
        },
        {
          name: 'afterId',
          in: 'query',
          description: 'As Last-Event-ID, for who cannot set a header; the header wins.',
          schema: { type: 'integer', minimum: 0 },
        },
        {
          name: 'Last-Event-ID',
          in: 'header',
          description: 'The id of the last event that the reader has: what it missed comes first.',
          schema: { type: 'integer', minimum: 0 },
        },
      ],
      responses: {
        200: answer('Server-sent events.', { type: 'string' }, 'text/event-stream'),
        default: PROBLEM,
      },
    },
  },
  '/metrics': {
    get: {
      operationId: 'metrics',
      summary: 'metrics in the Prometheus form',
      tags: ['server'],
      responses: { 200: answer('Done.', { type: 'string' }, 'text/plain'), default: PROBLEM },
    },
  },
  '/healthz': {
    get: {
      operationId: 'healthz',
      summary: 'whether the server serves',
      tags: ['server'],
      security: [],
      responses: { 200: answer('It does.', { type: 'object' }), 503: PROBLEM },
    },
  },
};

/** The whole description; `version` is the program's. */
export function openApiDocument(version: string): Json {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of ROUTES) {
    const entry = OPERATIONS[route.operation];
    if (entry === undefined) continue;
    const path = (paths[API_PREFIX + route.path] ??= {});
    path[route.method.toLowerCase()] = describe(route, entry);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Capstan',
      version,
      description: 'Everything that an operator can have a virtual tape server do.',
    },
    paths: { ...paths, ...OTHER_PATHS },
    components: {
      schemas: { Problem: jsonSchema(problemSchema, 'output') },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        cookie: {
          type: 'apiKey',
          in: 'cookie',
          name: SESSION_COOKIE,
          description: `What changes anything needs the header ${COOKIE_HEADER} besides.`,
        },
      },
    },
    security: [{ bearer: [] }, { cookie: [] }],
  };
}
