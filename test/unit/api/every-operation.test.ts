/**
 * Goal: whoever calls an operation wrongly over HTTP reads which parameter is wrong and what it should be.
 * Method: of every operation in the table, by its schema, each required parameter is left out, and each is
 * given with a wrong type, all others being right.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { writeParameters } from '../../../src/api/parameters.ts';
import { ROUTES, parametersSchema } from '../../../src/api/routes.ts';
import type { Route } from '../../../src/api/routes.ts';
import { isCapstanError } from '../../../src/base/errors.ts';
import { OPERATIONS } from '../../../src/server/operations.ts';
import type { Operation } from '../../../src/server/operations/operation.ts';
import { ApiBench } from './api-bench.ts';
import { sampleOf, wrongOf } from './samples.ts';

let api: ApiBench;
let ada: { authorization: string };

beforeAll(async () => {
  api = await ApiBench.start();
  ada = await api.as('ada');
});

const schemaOf = (route: Route) => parametersSchema(OPERATIONS[route.operation] as Operation);

/** The required parameters, each with a value that the schema takes. */
function rightOnes(route: Route): Record<string, unknown> {
  const { properties, required } = schemaOf(route);
  return Object.fromEntries(required.map((name) => [name, sampleOf(properties[name] ?? {}, true)]));
}

async function detailOver(route: Route, parameters: Record<string, unknown>): Promise<string> {
  const { target, body } = writeParameters(route, parameters);
  const answer = await api.answer(`${route.method} ${target}`, { headers: ada, body });
  expect(answer.status, `${route.method} ${target} ${JSON.stringify(body)}`).toBe(400);
  expect(answer.body['code']).toBe('INVALID_ARGUMENT');
  return String(answer.body['detail']);
}

/** What has no place in a request: a parameter of the path cannot be left out there. */
async function detailOf(route: Route, parameters: Record<string, unknown>): Promise<string> {
  try {
    await api.bench.east.server.operations.call(route.operation, parameters);
  } catch (error) {
    if (isCapstanError(error, 'INVALID_ARGUMENT')) return error.message;
    throw error;
  }
  throw new Error(`${route.operation} takes ${JSON.stringify(parameters)}`);
}

function expectSentence(sentence: string, name: string, route: Route): void {
  const start = `${name} of ${route.operation} is refused: `;
  expect(sentence.slice(0, start.length)).toBe(start);
  expect(sentence).toMatch(/^[^\n]{1,600}\.$/);
  expect(sentence).toMatch(/: (?:it is missing; )?it must be \S/);
  // The checker's own words are not an operator's.
  expect(sentence).not.toMatch(/invalid|expected|received|undefined|something else/i);
}

describe.each(ROUTES.map((route) => [route.operation, route] as const))('%s', (_, route) => {
  const { properties, required } = schemaOf(route);

  it.each(required)('says that it lacks %s, and what that must be', async (name) => {
    const { [name]: _left, ...rest } = rightOnes(route);
    const call = route.keys.includes(name) ? detailOf : detailOver;
    const sentence = await call(route, rest);
    expectSentence(sentence, name, route);
    expect(sentence).toContain('it is missing; it must be');
  });

  // A query or a path has only texts: no text is of a wrong type there.
  const isTyped = (name: string): boolean => {
    const { type, items } = properties[name] ?? {};
    const isText = [type, items?.type].includes('string');
    return route.rest === 'body' && !route.keys.includes(name) ? true : !isText;
  };
  it.each(Object.keys(properties).filter(isTyped))('says what %s must be', async (name) => {
    const wrong = { ...rightOnes(route), [name]: wrongOf(properties[name] ?? {}) };
    expectSentence(await detailOver(route, wrong), name, route);
  });
});

it('the sentence tells what there is where a parameter is unknown', async () => {
  const answer = await api.answer('POST /api/v1/pools', {
    headers: ada,
    body: { name: 'P', vault: 'VAULT00', colour: 'red' },
  });
  expect(answer.body['detail']).toBe(
    'What pool.create was given is refused: it has no parameter "colour"; there is name, vault, retentionMs, encrypted, quotaBytes.',
  );
});
