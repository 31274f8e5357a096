/**
 * What an operation's parameters name: a schema of a name says of what kind the thing is, so that nobody
 * has to guess from a text whether it is a tape or a pool.
 */
import { z } from 'zod';
import type { EventSubject } from '../../ports/catalog.ts';

/** Something that lies in a vault: a vault itself, a pool or tape, or an AutoCopy rule of a pool. */
export interface Subject {
  readonly kind: EventSubject['kind'] | 'copy rule';
  readonly name: string;
}

const NAME_CHARS_MAX = 1000;
const SUBJECTS = z.registry<Pick<Subject, 'kind'>>();

// A name is a string here: checkName says by name and pattern what is wrong with it.
const name = (): z.ZodString => z.string().max(NAME_CHARS_MAX);

/** A name of something that lies in no vault. */
export const text = name();
export const vaultName = name().register(SUBJECTS, { kind: 'vault' });
export const poolName = name().register(SUBJECTS, { kind: 'pool' });
export const tapeName = name().register(SUBJECTS, { kind: 'tape' });
export const copyRuleId = z.int().min(1).register(SUBJECTS, { kind: 'copy rule' });

/** Of what kind the thing is that a value of the schema names; undefined where it names none. */
export const subjectKindOf = (schema: z.core.$ZodType): Subject['kind'] | undefined =>
  SUBJECTS.get(schema)?.kind;

/** All that `value` names by its schema, however deep. */
export function subjectsIn(schema: z.core.$ZodType, value: unknown): readonly Subject[] {
  if (value === undefined || value === null) return [];
  const kind = subjectKindOf(schema);
  if (kind !== undefined) return [{ kind, name: `${value as string | number}` }];
  if (schema instanceof z.ZodObject) {
    const row = value as Readonly<Record<string, unknown>>;
    const shape: Readonly<Record<string, z.core.$ZodType>> = schema.shape;
    return Object.entries(shape).flatMap(([key, each]) => subjectsIn(each, row[key]));
  }
  if (schema instanceof z.ZodArray) {
    const { element } = schema;
    return (value as readonly unknown[]).flatMap((each) => subjectsIn(element, each));
  }
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault
  ) {
    return subjectsIn(schema.def.innerType, value);
  }
  return [];
}
