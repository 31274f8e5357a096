import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { API_PREFIX, ROUTES, routeNamed, routeOf } from '../../../src/api/routes.ts';
import { openApiDocument } from '../../../src/api/openapi.ts';
import { readParameters, writeParameters } from '../../../src/api/parameters.ts';
import { OPERATIONS } from '../../../src/server/operations.ts';
import { byName, nothing, operation, query } from '../../../src/server/operations/operation.ts';

const run = (): Promise<unknown> => Promise.resolve();
const made = (name: string, entry: Parameters<typeof routeOf>[1]): string => {
  const { method, path } = routeOf(name, entry);
  return `${method} ${path}`;
};

/** Whether some path is one of both: a key takes any text. */
function overlap(one: string, other: string): boolean {
  const [parts, others] = [one.split('/'), other.split('/')];
  return (
    parts.length === others.length &&
    parts.every((part, index) => {
      const twin = others[index] ?? '';
      return part === twin || part.startsWith('{') || twin.startsWith('{');
    })
  );
}

describe('the routes', () => {
  it('reach every operation by exactly one', () => {
    expect(ROUTES.map((route) => route.operation).toSorted()).toEqual(
      Object.keys(OPERATIONS).toSorted(),
    );
  });

  it('are told apart by method and path, whatever is named in the path', () => {
    for (const [index, one] of ROUTES.entries()) {
      for (const other of ROUTES.slice(index + 1)) {
        const same = one.method === other.method && overlap(one.path, other.path);
        expect(same, `${one.operation} and ${other.operation}: ${one.path}`).toBe(false);
      }
    }
  });

  it('are made of words and keys of the operation, and change nothing with a GET', () => {
    for (const { path } of ROUTES) {
      expect(path).toMatch(/^(?:\/(?:[a-z][a-z0-9-]*|\{[A-Za-z]+\}))+$/);
    }
    const changing = ROUTES.filter(({ operation: name }) => OPERATIONS[name]?.changes !== false);
    expect(changing.filter(({ method }) => method === 'GET')).toEqual([]);
  });

  it('follow from names by a rule', () => {
    const named = z.strictObject({ name: z.string(), force: z.boolean().optional() });
    const right = 'view-system-status';
    expect(made('tape.list', query(right, nothing, run))).toBe('GET /tapes');
    expect(made('tape.show', query(right, byName, run))).toBe('GET /tapes/{name}');
    expect(made('tape.create', operation(right, named, run))).toBe('POST /tapes');
    expect(made('tape.delete', operation(right, named, run))).toBe('DELETE /tapes/{name}');
    expect(made('tape.eraseNow', operation(right, named, run))).toBe(
      'POST /tapes/{name}/erase-now',
    );
    expect(made('tape.usage', query(right, named, run))).toBe('GET /tapes/{name}/usage');
    expect(made('tape.usage', query(right, nothing, run))).toBe('GET /tape/usage');
    expect(made('tape.tidy', operation(right, nothing, run))).toBe('POST /tape/tidy');
    expect(made('tape.verify', query(right, nothing, run))).toBe('POST /tape/verify');
    expect(made('account.show', query(right, nothing, run))).toBe('GET /account');
    expect(made('access.grant', operation(right, nothing, run))).toBe('POST /access/grant');
    const scheme = z.strictObject({ scheme: z.string(), rules: z.strictObject({}) });
    expect(made('scheme.check', query(right, scheme, run))).toBe('POST /schemes/{scheme}/check');
  });
});

describe('the description', () => {
  const document = openApiDocument('1.2.3') as {
    readonly openapi: string;
    readonly paths: Readonly<Record<string, Readonly<Record<string, { operationId: string }>>>>;
    readonly components: { readonly schemas: object };
  };

  it('is of OpenAPI 3.1 and has every route, once', () => {
    expect(document.openapi).toBe('3.1.0');
    for (const { operation: name, method, path } of ROUTES) {
      const found = document.paths[API_PREFIX + path]?.[method.toLowerCase()];
      expect(found?.operationId).toBe(name);
    }
    const ids = Object.values(document.paths).flatMap((path) =>
      Object.values(path).map((each) => each.operationId),
    );
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('declares every key of a path, and refers to nothing that is not there', () => {
    for (const [path, methods] of Object.entries(document.paths)) {
      const keys = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      for (const each of Object.values(methods) as { parameters?: Record<string, unknown>[] }[]) {
        const declared = (each.parameters ?? []).filter((one) => one['in'] === 'path');
        expect(declared.map((one) => one['name'])).toEqual(keys);
      }
    }
    for (const match of JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)) {
      const name = match[1]?.replace('#/components/schemas/', '') ?? '';
      expect(Object.keys(document.components.schemas)).toContain(name);
    }
  });
});

describe('parameters', () => {
  const list = routeNamed('events.list');
  const create = routeNamed('tape.create');
  const show = routeNamed('autocopy.show');

  it('come from path, query and body, as their schemas have them', () => {
    expect(readParameters(list, {}, new URLSearchParams('limit=5&afterId=0'), undefined)).toEqual({
      limit: 5,
      afterId: 0,
    });
    expect(readParameters(show, { id: '7' }, new URLSearchParams(), undefined)).toEqual({ id: 7 });
    const body = { name: 'LAB001', pool: 'P' };
    expect(readParameters(create, {}, new URLSearchParams(), body)).toEqual(body);
  });

  it('that look like no number stay as they came, for the operation to refuse', () => {
    for (const limit of ['5x', '', '0x10', '1e3', ' 5', 'NaN', '99999999999999999999']) {
      const given = new URLSearchParams({ limit });
      expect(readParameters(list, {}, given, undefined)).toEqual({ limit });
    }
  });

  it.each([
    ['twice in the query', list, 'limit=1&limit=2', undefined, '"limit" is refused'],
    ['in the query of a POST', create, 'name=LAB001', {}, 'belongs into the body'],
    ['in the body of a GET', list, '', { limit: 5 }, 'a GET has none'],
    ['as a list', create, '', [1], 'no JSON object'],
    ['in path and query', show, 'id=8', undefined, 'stands in the path'],
  ])('are refused where they come %s', (_, route, search, body, sentence) => {
    expect(() => readParameters(route, { id: '7' }, new URLSearchParams(search), body)).toThrow(
      sentence,
    );
  });

  it('survive the way of every route', () => {
    for (const route of ROUTES) {
      const keys = Object.fromEntries(route.keys.map((key) => [key, 'a/b?c#d%20\\$ü']));
      const { target, body } = writeParameters(route, { ...keys, some: 'x y&z=1' });
      const url = new URL(target, 'http://h');
      const texts = url.pathname.slice(API_PREFIX.length).split('/').map(decodeURIComponent);
      const parts = route.path.split('/').map((part, index) => ({ part, text: texts[index] }));
      const [keyParts, words] = [true, false].map((isKey) =>
        parts.filter(({ part }) => part.startsWith('{') === isKey),
      );
      expect(words?.map(({ text }) => text)).toEqual(words?.map(({ part }) => part));
      const path = Object.fromEntries(
        (keyParts ?? []).map(({ part, text }) => [part.slice(1, -1), text ?? '']),
      );
      expect(readParameters(route, path, url.searchParams, body)).toEqual({
        ...keys,
        some: 'x y&z=1',
      });
    }
  });

  it('that a URL would take for a step are no names', () => {
    for (const name of ['', '.', '..']) {
      expect(() => writeParameters(routeNamed('tape.delete'), { name })).toThrow(
        'cannot be a name',
      );
    }
  });
});
