/** The catalog's part for copies to other servers, in SQLite: AutoCopy's rules and what they owe. */
import { CapstanError } from '../base/errors.ts';
import type { CopyRuleRow, EventRow, NewEvent } from '../ports/catalog.ts';
import type { CopiesCatalog } from '../ports/catalog-copies.ts';
import { refuseTaken, requireRow } from './checks.ts';
import type { Database } from './database.ts';
import { COPY_JOB, COPY_RULE, GENERATION } from './tables.ts';
import type { FlatCopyRule } from './tables.ts';

/** `append` writes an entry of the event log within the transaction that runs. */
export function copiesCatalog(
  database: Database,
  append: (event: NewEvent) => EventRow,
): CopiesCatalog {
  return {
    findGeneration: async (tape, generation) =>
      database.rows(GENERATION, 'WHERE tape = :tape AND generation = :generation', {
        tape,
        generation,
      })[0],
    createCopyRule: async (rule) => database.transaction(() => insertRule(database, rule)),
    setCopyRuleBandwidth: async (id, bytesPerSecond) =>
      database.transaction(() => {
        database.run('UPDATE copyRule SET bytesPerSecond = :rate WHERE id = :id', {
          id,
          rate: bytesPerSecond ?? null,
        });
        const [row] = database.rows(COPY_RULE, 'WHERE id = :id', { id });
        if (row === undefined) throw noRule(id);
        return toCopyRule(row);
      }),
    deleteCopyRule: async (id) =>
      database.transaction(() => {
        if (database.run('DELETE FROM copyRule WHERE id = :id', { id }) === 0) throw noRule(id);
      }),
    listCopyRules: async (pool) => {
      const rows: readonly FlatCopyRule[] =
        pool === undefined
          ? database.rows(COPY_RULE, 'ORDER BY id')
          : database.rows(COPY_RULE, 'WHERE pool = :pool ORDER BY id', { pool });
      return rows.map(toCopyRule);
    },
    listCopyJobs: async () => database.rows(COPY_JOB, 'ORDER BY tape, ruleId'),
    putCopyJob: async (job, event) =>
      database.transaction(() => {
        requireRow(database, 'tape', job.tape);
        const { ruleId: id } = job;
        if (database.one('SELECT 1 FROM copyRule WHERE id = :id', { id }) === undefined) {
          throw noRule(id);
        }
        database.replace(COPY_JOB, job);
        return event && append(event);
      }),
  };
}

function insertRule(database: Database, rule: Omit<CopyRuleRow, 'id'>): CopyRuleRow {
  const { pool, target, targetPool, bytesPerSecond } = rule;
  requireRow(database, 'pool', pool);
  const sql = 'SELECT targetPool FROM copyRule WHERE pool = :pool AND server = :server';
  const { server } = target;
  refuseTaken(database, { kind: 'copy rule', name: `${pool} to ${server}`, sql }, { pool, server });
  const row = { pool, ...target, targetPool, bytesPerSecond };
  return toCopyRule(database.insertNumbered(COPY_RULE, row));
}

const noRule = (id: number): CapstanError =>
  new CapstanError('NOT_FOUND', { kind: 'copy rule', name: id });

function toCopyRule(row: FlatCopyRule): CopyRuleRow {
  const { id, pool, targetPool, bytesPerSecond, ...target } = row;
  return { id, pool, target, targetPool, bytesPerSecond };
}
