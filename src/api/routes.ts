/**
 * The table of routes: every operation of src/server/operations.ts has exactly one, by rule.
 *
 *   area.list      GET    /areas                what selects goes into the query
 *   area.show      GET    /areas/{name}
 *   area.create    POST   /areas                201
 *   area.delete    DELETE /areas/{name}
 *   area.modify    PATCH  /areas/{name}
 *   area.verb      POST   /areas/{name}/verb    for what changes something or takes long,
 *                  GET    /areas/{name}/verb    for what only looks
 *
 * The key is the required parameter that KEYS name, or one of the area's name. An operation without one is
 * about the area as a whole, which has its name in the singular: POST /tape/verify, GET /account. Where
 * the rule gives no good path, PATHS says it. What is not in the path goes into the query of GET and
 * DELETE, else into the body, a JSON object.
 */
import { z } from 'zod';
import { assert } from '../base/assert.ts';
import { OPERATIONS } from '../server/operations.ts';
import type { Operation } from '../server/operations/operation.ts';

/** What every path of an operation begins with. */
export const API_PREFIX = '/api/v1';

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';

export interface Route {
  /** `tape.erase` */
  readonly operation: string;
  readonly method: Method;
  /** Behind API_PREFIX: `/tapes/{name}/erase`. */
  readonly path: string;
  /** Parameters of the operation that stand in the path. */
  readonly keys: readonly string[];
  /** Where all others come from. */
  readonly rest: 'query' | 'body';
  /** Status of a success. */
  readonly status: 200 | 201;
}

/** A parameter as JSON Schema has it, as far as one looks at it here. */
export interface ParameterSchema {
  readonly type?: string;
  readonly items?: ParameterSchema;
  readonly [keyword: string]: unknown;
}

export interface ParametersSchema {
  readonly properties: Readonly<Record<string, ParameterSchema>>;
  readonly required: readonly string[];
}

/** An area's collection where its name and an "s" is not it. */
const COLLECTIONS: Readonly<Record<string, string>> = {
  autocopy: '/autocopy/rules',
  events: '/events',
  idr: '/instant-dr/schemes',
  server: '/server',
  policy: '/policy',
};

/** Parameters that can be an item's key, beside one that has the area's name. */
const KEYS = ['name', 'id', 'number'] as const;

/** Verbs with a form of their own; `item` where the key belongs into the path. */
const VERBS: Readonly<
  Record<string, { readonly method: Method; readonly item: boolean; readonly status?: 201 }>
> = {
  list: { method: 'GET', item: false },
  show: { method: 'GET', item: true },
  create: { method: 'POST', item: false, status: 201 },
  add: { method: 'POST', item: false, status: 201 },
  delete: { method: 'DELETE', item: true },
  remove: { method: 'DELETE', item: true },
  set: { method: 'PATCH', item: true },
  change: { method: 'PATCH', item: true },
  modify: { method: 'PATCH', item: true },
};

/** Queries that work for a long time: nobody expects that of a GET. */
const LONG_QUERIES = ['verify'];

/** Where the rule gives no good path. */
const PATHS: Readonly<Record<string, string>> = {
  'autocopy.repeat': 'POST /tapes/{name}/repeat-copies',
  'autocopy.retry': 'POST /autocopy/retry',
  'autocopy.cancel': 'POST /autocopy/cancel',
  'autocopy.status': 'GET /autocopy/status',
  'autocopy.queue': 'GET /autocopy/queue',
  'idr.status': 'GET /instant-dr/status',
  'idr.runs': 'GET /instant-dr/runs',
  'idr.report': 'GET /instant-dr/runs/{id}',
  'server.status': 'GET /server',
  'lock.remove': 'DELETE /locks',
  'mount.drop': 'DELETE /hosts/{host}/mount-requests/{requestNumber}',
  'mount.end': 'POST /mounts/{tape}/end',
};

/** The operation's parameters as JSON Schema (draft 2020-12). */
export function parametersSchema({ parameters }: Pick<Operation, 'parameters'>): ParametersSchema {
  const schema = z.toJSONSchema(parameters, { io: 'input', unrepresentable: 'any' });
  const { properties = {}, required = [] } = schema;
  return { properties: properties as ParametersSchema['properties'], required };
}

/** `retryNow` as `retry-now`. */
const kebab = (text: string): string =>
  text.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

function isFlat({ type, items }: ParameterSchema): boolean {
  return type === 'array' ? items !== undefined && isFlat(items) : type !== 'object';
}

/** The route of an operation, by the rule above. */
export function routeOf(name: string, entry: Operation): Route {
  const schema = parametersSchema(entry);
  const given = PATHS[name];
  const [method, path] = given === undefined ? ruleOf(name, entry, schema) : splitPath(given);
  const keys = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
  const verb = name.slice(name.indexOf('.') + 1);
  const status = (given === undefined ? VERBS[verb]?.status : undefined) ?? 200;
  const rest = method === 'GET' || method === 'DELETE' ? 'query' : 'body';
  return { operation: name, method, path, keys, rest, status };
}

function splitPath(given: string): readonly [Method, string] {
  const [method, path = ''] = given.split(' ');
  return [method as Method, path];
}

function ruleOf(
  name: string,
  entry: Operation,
  { properties, required }: ParametersSchema,
): readonly [Method, string] {
  const [area = '', ...words] = name.split('.');
  const verb = words.join('-');
  const collection = COLLECTIONS[area] ?? `/${kebab(area)}${area.endsWith('s') ? '' : 's'}`;
  const whole = `/${kebab(area)}`;
  const form = VERBS[verb];
  const key = [...KEYS, area].find((each) => required.includes(each));
  const item = key === undefined ? whole : `${collection}/{${key}}`;
  if (form !== undefined) return [form.method, form.item ? item : collection];
  const fits = Object.entries(properties).every(([each, schema]) => each === key || isFlat(schema));
  const looks = !entry.changes && fits && !LONG_QUERIES.includes(verb);
  return [looks ? 'GET' : 'POST', `${item}/${kebab(verb)}`];
}

export const ROUTES: readonly Route[] = Object.entries(OPERATIONS).map(([name, entry]) =>
  routeOf(name, entry),
);

/** The route of the operation of that name. */
export function routeNamed(operation: string): Route {
  const route = ROUTES.find((each) => each.operation === operation);
  assert(route !== undefined, `the operation ${operation} has a route`);
  return route;
}
