/**
 * What an operation is called with, checked by its schema: what is wrong is said in one sentence with what
 * would be right, made of the schema. No value is ever quoted: it may be a password.
 */
import { z } from 'zod';
import { CapstanError } from '../../base/errors.ts';
import { subjectKindOf } from './subjects.ts';

const REASON_CHARS_MAX = 500;

/** As far as a sentence is made of it. */
interface JsonSchema {
  readonly title?: string;
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly pattern?: string;
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly [keyword: string]: unknown;
}

const schemas = new WeakMap<z.ZodType, JsonSchema>();

function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  const known = schemas.get(schema);
  if (known !== undefined) return known;
  const made = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const kind = subjectKindOf(zodSchema);
      if (kind !== undefined && kind !== 'copy rule') jsonSchema.title = `the name of a ${kind}`;
    },
  }) as JsonSchema;
  schemas.set(schema, made);
  return made;
}

/** The parameters by their schema; `what` they are for: an operation's name. Throws INVALID_ARGUMENT. */
export function parseParameters<Schema extends z.ZodType>(
  what: string,
  schema: Schema,
  given: unknown,
): z.infer<Schema> {
  // What a schema says in its own words stays as it is.
  const error = (issue: z.core.$ZodRawIssue): string => reasonOf(schema, issue);
  const parsed = schema.safeParse(given, { error });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const place = issue?.path.join('.') ?? '';
  throw new CapstanError('INVALID_ARGUMENT', {
    what: place === '' ? `What ${what} was given` : `${place} of ${what}`,
    reason: sentencePart(issue?.message ?? 'it is malformed'),
  });
}

function reasonOf(root: z.ZodType, issue: z.core.$ZodRawIssue): string {
  const schema = schemaAt(jsonSchemaOf(root), issue.path ?? []);
  if (issue.code === 'unrecognized_keys') return strangeKeys(schema, issue['keys']);
  const must = `it must be ${expectation(schema)}`;
  return issue.input === undefined ? `it is missing; ${must}` : must;
}

function strangeKeys({ properties = {} }: JsonSchema, keys: unknown): string {
  const [strange = ''] = keys as readonly string[];
  const known = Object.keys(properties);
  const rest = known.length === 0 ? 'it takes none' : `there is ${known.join(', ')}`;
  return `it has no parameter ${JSON.stringify(strange.slice(0, 40))}; ${rest}`;
}

function schemaAt(root: JsonSchema, path: readonly PropertyKey[]): JsonSchema {
  let schema = root;
  for (const step of path) {
    const inside = [schema, ...(schema.anyOf ?? [])].flatMap(({ properties, items }) => {
      const next = typeof step === 'number' ? items : properties?.[String(step)];
      return next === undefined ? [] : [next];
    });
    schema = inside[0] ?? {};
  }
  return schema;
}

/** What a value must be: `a whole number from 1 to 65535`. */
function expectation(schema: JsonSchema): string {
  const { title, type, anyOf, items, enum: values } = schema;
  if (title !== undefined) return title;
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (values !== undefined) return listed(values.map(String));
  if (anyOf !== undefined) return anyOf.map(expectation).join(' or ');
  switch (type) {
    case 'string':
      return textExpectation(schema);
    case 'integer':
      return `a whole number${range(schema)}`;
    case 'number':
      return `a number${range(schema)}`;
    case 'boolean':
      return 'true or false';
    case 'array':
      return `a list${count(schema)}, each of it ${expectation(items ?? {})}`;
    case 'object':
      return `an object with ${(schema.required ?? Object.keys(schema.properties ?? {})).join(', ')}`;
    case 'null':
      return 'null';
    case undefined:
    default:
      return 'something else';
  }
}

function textExpectation(schema: JsonSchema): string {
  const { minLength, maxLength, pattern } = schema;
  const least = typeof minLength === 'number' && minLength > 0 ? `${minLength} to ` : 'at most ';
  const length = typeof maxLength !== 'number' ? '' : ` of ${least}${maxLength} characters`;
  return `a text${length}${pattern === undefined ? '' : ` that matches ${pattern}`}`;
}

function count({ minItems, maxItems }: JsonSchema): string {
  return typeof maxItems === 'number' ? ` of ${Number(minItems ?? 0)} to ${maxItems}` : '';
}

function range({ minimum, maximum }: JsonSchema): string {
  const isBounded = typeof maximum === 'number' && maximum < Number.MAX_SAFE_INTEGER;
  const from = typeof minimum === 'number' ? ` from ${minimum}` : '';
  return isBounded ? `${from} to ${maximum}` : from === '' ? from : `${from} on`;
}

function listed(names: readonly string[]): string {
  const [last = '', ...before] = names.toReversed();
  return before.length === 0 ? last : `${before.toReversed().join(', ')} or ${last}`;
}

/** One line without an end, of a length that a terminal bears. */
function sentencePart(message: string): string {
  return message.replaceAll(/\s+/g, ' ').replace(/\.$/, '').slice(0, REASON_CHARS_MAX);
}
