/** The catalog's part for copies to other servers, in SQLite. */
import { CapstanError } from '../base/errors.ts';
import type { CopyRuleRow } from '../ports/catalog.ts';
import type { CopiesCatalog } from '../ports/catalog-copies.ts';
import type { Database } from './database.ts';
import { COPY_RULE, GENERATION } from './tables.ts';
import type { FlatCopyRule } from './tables.ts';

export function copiesCatalog(database: Database): CopiesCatalog {
  return {
    findGeneration: async (tape, generation) =>
      database.rows(GENERATION, 'WHERE tape = :tape AND generation = :generation', {
        tape,
        generation,
      })[0],
    setCopyRuleBandwidth: async (id, bytesPerSecond) =>
      database.transaction(() => {
        database.run('UPDATE copyRule SET bytesPerSecond = :rate WHERE id = :id', {
          id,
          rate: bytesPerSecond ?? null,
        });
        const [row] = database.rows(COPY_RULE, 'WHERE id = :id', { id });
        if (row === undefined) throw new CapstanError('NOT_FOUND', { kind: 'copy rule', name: id });
        return toCopyRule(row);
      }),
  };
}

export function toCopyRule(row: FlatCopyRule): CopyRuleRow {
  const { id, pool, targetPool, bytesPerSecond, ...target } = row;
  return { id, pool, target, targetPool, bytesPerSecond };
}
