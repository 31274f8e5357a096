/** An operation's parameters out of a request's path, query and body, and the other way round. */
import { CapstanError } from '../base/errors.ts';
import { OPERATIONS } from '../server/operations.ts';
import { parametersSchema, API_PREFIX } from './routes.ts';
import type { ParameterSchema, ParametersSchema, Route } from './routes.ts';

type Values = Readonly<Record<string, unknown>>;

/** A request as far as parameters go. */
export interface RequestParts {
  /** Behind the host, with the query. */
  readonly target: string;
  /** Undefined where the request has none. */
  readonly body: Values | undefined;
}

const schemas = new Map<string, ParametersSchema>();

function schemaOf({ operation }: Route): ParametersSchema {
  let schema = schemas.get(operation);
  if (schema === undefined) {
    const entry = OPERATIONS[operation];
    schema = entry === undefined ? { properties: {}, required: [] } : parametersSchema(entry);
    schemas.set(operation, schema);
  }
  return schema;
}

/**
 * What the operation is called with; its own schema says later what is wrong with it. Throws
 * INVALID_ARGUMENT for what a schema cannot see: a query's parameter given twice, a body that is no
 * object or that repeats the path.
 */
export function readParameters(
  route: Route,
  path: Readonly<Record<string, string>>,
  query: URLSearchParams,
  body: unknown,
): Values {
  const { properties } = schemaOf(route);
  const values = new Map<string, unknown>();
  for (const name of new Set(query.keys())) {
    const texts = query.getAll(name);
    if (route.rest === 'body') throw refused(name, 'it belongs into the body, a JSON object');
    const schema = properties[name];
    if (schema?.type === 'array') {
      values.set(
        name,
        texts.map((text) => valueOf(schema.items, text)),
      );
    } else if (texts.length > 1) {
      throw refused(name, 'it is given more than once');
    } else {
      values.set(name, valueOf(schema, texts[0] ?? ''));
    }
  }
  for (const [name, value] of Object.entries(objectOf(body, route))) values.set(name, value);
  for (const name of route.keys) {
    if (values.has(name)) throw refused(name, 'it stands in the path');
    values.set(name, valueOf(properties[name], path[name] ?? ''));
  }
  return Object.fromEntries(values);
}

function objectOf(body: unknown, route: Route): Values {
  if (body === undefined) return {};
  if (route.rest === 'query') {
    throw refused('The body', `a ${route.method} has none; parameters go into the query`);
  }
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Values;
  throw refused('The body', 'it is no JSON object');
}

/** A text of a path or query as its schema has it; what does not look like it stays a text. */
function valueOf(schema: ParameterSchema | undefined, text: string): unknown {
  switch (schema?.type) {
    case 'integer':
    case 'number':
      return /^-?\d{1,16}(?:\.\d{1,16})?$/.test(text) ? Number(text) : text;
    case 'boolean':
      return text === 'true' || text === 'false' ? text === 'true' : text;
    case undefined:
    default:
      return text;
  }
}

/** The request that calls the operation with these parameters. */
export function writeParameters(route: Route, parameters: Values): RequestParts {
  const path = route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    pathSegment(name, textOf(parameters[name])),
  );
  const rest = Object.entries(parameters).filter(
    ([name, value]) => value !== undefined && !route.keys.includes(name),
  );
  if (route.rest === 'body') return { target: API_PREFIX + path, body: Object.fromEntries(rest) };
  const query = new URLSearchParams();
  for (const [name, value] of rest) {
    for (const each of Array.isArray(value) ? (value as unknown[]) : [value]) {
      query.append(name, textOf(each));
    }
  }
  const text = query.toString();
  return { target: `${API_PREFIX}${path}${text === '' ? '' : `?${text}`}`, body: undefined };
}

const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : (JSON.stringify(value) ?? '');

/** A URL takes `.` and `..` for steps, however they are written, and nothing for nothing. */
function pathSegment(name: string, text: string): string {
  if (['', '.', '..'].includes(text)) {
    throw refused(name, `${JSON.stringify(text)} cannot be a name`);
  }
  return encodeURIComponent(text);
}

function refused(what: string, reason: string): CapstanError {
  return new CapstanError('INVALID_ARGUMENT', { what: JSON.stringify(what), reason });
}
