/** Values that a JSON Schema takes, and values that it does not. */
import type { ParameterSchema } from '../../../src/api/routes.ts';

interface Schema extends ParameterSchema {
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly minimum?: number;
  readonly minItems?: number;
  readonly pattern?: string;
}

/** Texts, the first of which matches a schema's pattern. */
const TEXTS = ['SAMPLE', `SHA256:${'a'.repeat(43)}`, '22', '221101'];

/** A value of the schema; `full`: with what may be missing, too. Throws where it knows none. */
export function sampleOf(schema: Schema, full: boolean): unknown {
  if ('const' in schema) return schema['const'];
  if (schema.enum !== undefined) return schema.enum[0];
  if (schema.anyOf !== undefined) return sampleOf(schema.anyOf[0] ?? {}, full);
  switch (schema.type) {
    case 'string':
      return textOf(schema);
    case 'integer':
    case 'number':
      return Math.max(schema.minimum ?? 1, -1_000);
    case 'boolean':
      return true;
    case 'null':
      return null;
    case 'array':
      return full || (schema.minItems ?? 0) > 0 ? [sampleOf(schema.items ?? {}, full)] : [];
    case 'object':
      return objectOf(schema, full);
    case undefined:
    default:
      return 'anything';
  }
}

function textOf({ pattern }: Schema): string {
  const regex = new RegExp(pattern ?? '');
  const text = TEXTS.find((each) => regex.test(each));
  if (text === undefined) throw new Error(`TEXTS has none that matches ${String(pattern)}`);
  return text;
}

function objectOf(schema: Schema, full: boolean): unknown {
  const { properties = {}, required = [], additionalProperties } = schema;
  const rest =
    typeof additionalProperties === 'object' && full ? { other: additionalProperties } : {};
  return Object.fromEntries(
    Object.entries({ ...properties, ...rest })
      .filter(([name]) => full || required.includes(name))
      .map(([name, each]) => [name, sampleOf(each, full)]),
  );
}

/** A value of none of the types that the schema takes. */
export function wrongOf(schema: Schema): unknown {
  const types = [schema, ...(schema.anyOf ?? [])].map(({ type }) => type);
  return types.includes('string') || schema.enum !== undefined ? 42 : 'x y';
}
