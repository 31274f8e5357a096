/**
 * Goal: every operation has its command, and every command asks for what its operation takes and shows
 * what it results in. Method: a server that knows nothing but the operations' schemas is asked by every
 * example of every command's help, and once more with each of its options; it checks what comes, and answers
 * with a value of the result's schema.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dir } from 'tmp-promise';
import type { DirectoryResult } from 'tmp-promise';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { API_LIMITS } from '../../src/api/limits.ts';
import { openApiDocument } from '../../src/api/openapi.ts';
import { readParameters } from '../../src/api/parameters.ts';
import { API_PREFIX, ROUTES } from '../../src/api/routes.ts';
import type { OperationCommand } from '../../src/cli/commands/operation-command.ts';
import { runProgram } from '../../src/cli/main.ts';
import { OPERATION_COMMANDS } from '../../src/cli/operation-commands.ts';
import { listenHttp } from '../../src/platform/http-server.ts';
import type { HttpServer } from '../../src/platform/http-server.ts';
import { OPERATIONS } from '../../src/server/operations.ts';
import { parseParameters } from '../../src/server/operations/parameters.ts';
import { sampleOf } from '../unit/api/samples.ts';
import { printedCommands } from './printed-commands.ts';

/** Operations that have no command, and why. */
const WITHOUT_COMMAND: Readonly<Record<string, string>> = {};

/** Values of options for which a name will not do. */
const OPTION_VALUES: Readonly<Record<string, string>> = {
  '--capacity': '200G',
  '--quota': '1T',
  '--retention': '30 days',
  '--rate': '20M',
  '--port': '2022',
  '--grace-days': '3',
  '--days': '30',
  '--limit': '5',
  '--live-share': '0.5',
  '--host-key': `SHA256:${'a'.repeat(43)}`,
  '--client-key': `SHA256:${'b'.repeat(43)}`,
  '--areas': 'ems,mounts',
  '--schedule': 'daily at 02:00',
  '--address': '10.0.0.2',
  '--severity': 'ERROR',
  '--subsystem': '22',
  '--message': '440002',
  '--since': '2026-01-31',
  '--until': '2026-01-31',
};

/** Examples of what is no entry of a table. */
const OTHER_EXAMPLES = ['capstan events', 'capstan events list --severity ERROR --limit 5 --json'];

type Option = NonNullable<OperationCommand['options']>[number];
type Schema = Parameters<typeof sampleOf>[0];

interface Described {
  readonly operationId: string;
  readonly responses: Readonly<
    Record<string, { readonly content?: { readonly 'application/json': { schema: Schema } } }>
  >;
}

let server: HttpServer;
let folder: DirectoryResult;
let secrets: string;
/** Whether results have all that may be missing. */
let isFull = true;
let called: { readonly operation: string; readonly problem: string }[] = [];
const reached = new Set<string>();

/** By the description that the API gives of itself. */
function resultSchemaOf(operation: string): Schema {
  const { paths } = openApiDocument('0.0.0') as {
    paths: Record<string, Record<string, Described>>;
  };
  const all = Object.values(paths).flatMap((methods) => Object.values(methods));
  const { responses = {} } = all.find(({ operationId }) => operationId === operation) ?? {};
  const done = responses['200'] ?? responses['201'];
  return done?.content?.['application/json'].schema ?? {};
}

/** Answers as a server would that has done what it was asked. */
async function answer(request: Request): Promise<Response> {
  const url = new URL(request.url);
  const parts = url.pathname.slice(API_PREFIX.length).split('/').map(decodeURIComponent);
  const route = ROUTES.find(({ method, path }) => {
    const words = path.split('/');
    const fits = words.every((word, index) => word.startsWith('{') || word === parts[index]);
    return method === request.method && words.length === parts.length && fits;
  });
  if (route === undefined) throw new Error(`there is no ${request.method} ${url.pathname}`);
  const keys = route.path
    .split('/')
    .flatMap((word, at) => (word.startsWith('{') ? [[word.slice(1, -1), parts[at] ?? '']] : []));
  const text = await request.text();
  const { operation } = route;
  const body: unknown = text === '' ? undefined : JSON.parse(text);
  let problem = '';
  try {
    const path = Object.fromEntries(keys) as Record<string, string>;
    const parameters = readParameters(route, path, url.searchParams, body);
    const entry = OPERATIONS[operation];
    if (entry !== undefined) parseParameters(operation, entry.parameters, parameters);
  } catch (error) {
    problem = String(error);
  }
  called.push({ operation, problem });
  reached.add(operation);
  const sample = sampleOf(resultSchemaOf(operation), isFull);
  return Response.json(sample, { status: route.status });
}

beforeAll(async () => {
  folder = await dir({ unsafeCleanup: true });
  secrets = join(folder.path, 'secret');
  await writeFile(secrets, 'correct horse battery staple\n', { mode: 0o600 });
  server = await listenHttp({
    where: { address: '127.0.0.1', port: 0 },
    limits: API_LIMITS,
    fetch: answer,
  });
});

afterAll(async () => {
  await server.close();
  await folder.cleanup();
});

beforeEach(() => {
  called = [];
});

/** As a user would type it, at the server of this test and with files that are there. */
function argsOf(example: string): readonly string[] {
  const [command] = printedCommands(`$ ${example}`);
  const args = [...(command?.args ?? [])];
  for (const name of ['--server', '--token-file', '--home']) {
    const at = args.indexOf(name);
    if (at >= 0) args.splice(at, 2);
  }
  // Standard input has nothing to say here.
  return args.map((arg) => (arg === 'licence.txt' || arg === '-' ? secrets : arg));
}

const conflictsOf = (option: Option): readonly string[] =>
  (option as unknown as { readonly conflictsWith: readonly string[] }).conflictsWith;

const areRivals = (one: Option, other: Option): boolean =>
  conflictsOf(one).includes(other.attributeName()) ||
  conflictsOf(other).includes(one.attributeName());

/** Secrets come from files here: nobody is there to be asked. */
function secretArgs(entry: OperationCommand, args: readonly string[]): readonly string[] {
  const files = (entry.options ?? []).filter(({ long }) => long?.endsWith('-file') === true);
  if (args.includes('--no-password')) return [];
  return files.flatMap(({ long }) => (args.includes(long ?? '') ? [] : [long ?? '', secrets]));
}

async function run(args: readonly string[]): Promise<void> {
  for (const full of [true, false]) {
    isFull = full;
    await runOnce(args);
  }
}

async function runOnce(args: readonly string[]): Promise<void> {
  let printed = '';
  let complained = '';
  const code = await runProgram(args, {
    environment: { CAPSTAN_SERVER: `http://127.0.0.1:${String(server.endpoint?.port)}` },
    print: (text) => (printed += text),
    complain: (text) => (complained += text),
    showsProgress: false,
  });
  const line = `capstan ${args.join(' ')}`;
  expect(called.length, `${line}: ${complained}`).toBeGreaterThan(0);
  expect(called.map(({ problem }) => problem).join(''), line).toBe('');
  // 1: the sample result tells of a failure.
  expect(code === 0 || code === 1, `${line}: ${complained}`).toBe(true);
  expect(complained, line).not.toMatch(/fault of Capstan's own/);
  expect(printed, line).not.toMatch(/\[object|undefined|NaN/);
}

describe.each(Object.entries(OPERATION_COMMANDS))('capstan %s', (_, entry) => {
  it.each(entry.examples)('asks for what its operation takes: %s', async (example) => {
    const args = argsOf(example);
    await run([...args, ...secretArgs(entry, args)]);
    expect(called.map(({ operation }) => operation)).toContain(entry.operation);
  });

  const base = argsOf(entry.examples[0] ?? '');
  // One that goes with no other that the example has stands in its place.
  const baseFor = (option: Option): readonly string[] => {
    const rivals = (entry.options ?? []).filter((each) => areRivals(option, each));
    const words = [...base];
    for (const { long, required } of rivals) {
      const at = words.indexOf(long ?? '');
      if (at >= 0) words.splice(at, required ? 2 : 1);
    }
    return words;
  };
  const options = (entry.options ?? []).filter(
    ({ long }) => !base.includes(long ?? '') && !/-file$|^--file$/.test(long ?? ''),
  );
  it.each(options.map((option) => [option.long ?? '', option] as const))(
    'asks for what its operation takes with %s',
    async (long, option) => {
      const value = option.argChoices?.[0] ?? OPTION_VALUES[long] ?? 'SAMPLE';
      const args = [
        ...baseFor(option),
        long,
        ...(option.required || option.optional ? [value] : []),
      ];
      await run([...args, ...secretArgs(entry, args)]);
      expect(called.map(({ operation }) => operation)).toContain(entry.operation);
    },
  );
});

it.each(OTHER_EXAMPLES)('`%s` asks for what its operation takes', async (example) => {
  await run(argsOf(example));
  expect(called.map(({ operation }) => operation)).toContain('events.list');
});

it('every operation has a command, or a reason why it has none', () => {
  const without = Object.keys(OPERATIONS).filter((name) => !reached.has(name));
  expect(without).toEqual(Object.keys(WITHOUT_COMMAND));
});
