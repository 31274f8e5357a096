/** The catalog's part about VTSPolicy, migration and Scan/Cleanup, in SQLite. */
import { CapstanError } from '../base/errors.ts';
import type { EventRow, NewEvent } from '../ports/catalog.ts';
import { POLICY_RUN_COUNT_MAX } from '../ports/catalog-policy.ts';
import type {
  CleanupMarkRow,
  CleanupPlanRow,
  CleanupScanRow,
  ErasureRow,
  MigrationRow,
  PolicyCatalog,
  PolicyRunRow,
} from '../ports/catalog-policy.ts';
import { findTape, requireRow } from './checks.ts';
import type { Database } from './database.ts';
import type { Table } from './tables.ts';

const POLICY_RUN: Table<PolicyRunRow> = {
  name: 'policyRun',
  columns: {
    id: 'plain',
    host: 'plain',
    localTimeMs: 'plain',
    text: 'plain',
    startedAtMs: 'plain',
    endedAtMs: 'plain',
    state: 'plain',
    outcome: 'plain',
  },
};

const MIGRATION: Table<MigrationRow> = {
  name: 'migration',
  columns: {
    tape: 'plain',
    generation: 'plain',
    atMs: 'plain',
    application: 'plain',
    keepMs: 'plain',
  },
};

const CLEANUP_MARK: Table<CleanupMarkRow> = {
  name: 'cleanupMark',
  columns: { tape: 'plain', decision: 'plain', user: 'plain', atMs: 'plain' },
};

const CLEANUP_SCAN: Table<CleanupScanRow> = {
  name: 'cleanupScan',
  columns: { atMs: 'plain', user: 'plain', scheduledThroughMs: 'plain' },
};

const CLEANUP_PLAN: Table<CleanupPlanRow> = {
  name: 'cleanupPlan',
  columns: { tape: 'plain', generation: 'plain', erase: 'boolean', reason: 'plain' },
};

const ERASURE: Table<ErasureRow> = {
  name: 'erasure',
  columns: {
    tape: 'plain',
    generation: 'plain',
    startedAtMs: 'plain',
    list: 'plain',
    line: 'plain',
  },
};

/** `append` writes an event within the transaction that runs. */
export function policyCatalog(
  database: Database,
  append: (event: NewEvent) => EventRow,
): PolicyCatalog {
  return {
    ...runCatalog(database),
    ...migrationCatalog(database, append),
    ...cleanupCatalog(database),
    ...erasureCatalog(database),
  };
}

type RunMethod = 'beginPolicyRun' | 'endPolicyRun' | 'listPolicyRuns';
type MigrationMethod = 'recordMigration' | 'listMigrations';
type ErasureMethod = 'putErasure' | 'deleteErasure' | 'listErasures';

function runCatalog(database: Database): Pick<PolicyCatalog, RunMethod> {
  return {
    beginPolicyRun: async (run) =>
      database.transaction(() => {
        const { host, localTimeMs, text } = run;
        const same = 'WHERE host = :host AND localTimeMs = :localTimeMs AND text = :text';
        const taken =
          host !== '' && database.rows(POLICY_RUN, same, { host, localTimeMs, text }).length > 0;
        if (taken) return undefined;
        const row = database.insertNumbered(POLICY_RUN, {
          ...run,
          endedAtMs: undefined,
          state: 'running',
          outcome: '',
        });
        database.run("DELETE FROM policyRun WHERE id <= :last AND state <> 'running'", {
          last: row.id - POLICY_RUN_COUNT_MAX,
        });
        return row;
      }),
    endPolicyRun: async (id, { state, outcome, endedAtMs }) => {
      database.transaction(() => {
        const changed = database.run(
          `UPDATE policyRun SET state = :state, outcome = :outcome, endedAtMs = :endedAtMs
           WHERE id = :id AND state = 'running'`,
          { id, state, outcome, endedAtMs },
        );
        if (changed === 0) {
          throw new CapstanError('NOT_FOUND', { kind: 'running VTSPolicy command', name: id });
        }
      });
    },
    listPolicyRuns: async ({ running, limit }) =>
      database.rows(
        POLICY_RUN,
        `${running === true ? "WHERE state = 'running'" : ''} ORDER BY id DESC LIMIT +:limit`,
        { limit },
      ),
  };
}

function migrationCatalog(
  database: Database,
  append: (event: NewEvent) => EventRow,
): Pick<PolicyCatalog, MigrationMethod> {
  return {
    recordMigration: async (migration, event) =>
      database.transaction(() => {
        const { tape: name, generation, atMs } = migration;
        requireRow(database, 'tape', name);
        if (findTape(database, name)?.generation !== generation) {
          throw new CapstanError('IN_USE', { kind: 'tape', name, by: 'it was written meanwhile' });
        }
        database.replace(MIGRATION, migration);
        database.run(
          `UPDATE tape SET migratedAtMs = :atMs, migratedBy = 'vts', updatedAtMs = :atMs
           WHERE name = :name`,
          { name, atMs },
        );
        return append(event);
      }),
    listMigrations: async () => database.rows(MIGRATION, 'ORDER BY tape'),
  };
}

function cleanupCatalog(
  database: Database,
): Omit<PolicyCatalog, RunMethod | MigrationMethod | ErasureMethod> {
  return {
    putCleanupMarks: async (marks) => {
      database.transaction(() => {
        for (const mark of marks) {
          requireRow(database, 'tape', mark.tape);
          database.replace(CLEANUP_MARK, mark);
        }
      });
    },
    deleteCleanupMarks: async (tapes) =>
      database.transaction(() => {
        if (tapes === undefined) return database.run('DELETE FROM cleanupMark');
        let count = 0;
        for (const tape of tapes) {
          requireRow(database, 'tape', tape);
          count += database.run('DELETE FROM cleanupMark WHERE tape = :tape', { tape });
        }
        return count;
      }),
    listCleanupMarks: async () => database.rows(CLEANUP_MARK, 'ORDER BY tape'),
    putCleanupScan: async (scan, plan) => {
      database.transaction(() => {
        database.run('DELETE FROM cleanupScan');
        database.run('DELETE FROM cleanupPlan');
        database.insert(CLEANUP_SCAN, scan);
        for (const row of plan) {
          if (findTape(database, row.tape) !== undefined) database.insert(CLEANUP_PLAN, row);
        }
      });
    },
    findCleanupScan: async () => database.rows(CLEANUP_SCAN, 'LIMIT 1')[0],
    listCleanupPlan: async () => database.rows(CLEANUP_PLAN, 'ORDER BY tape'),
  };
}

function erasureCatalog(database: Database): Pick<PolicyCatalog, ErasureMethod> {
  return {
    putErasure: async (erasure) => {
      database.transaction(() => {
        requireRow(database, 'tape', erasure.tape);
        database.replace(ERASURE, erasure);
      });
    },
    deleteErasure: async (tape, done) => {
      database.transaction(() => {
        database.run('DELETE FROM erasure WHERE tape = :tape', { tape });
        if (!done) return;
        database.run('DELETE FROM cleanupPlan WHERE tape = :tape', { tape });
        database.run('DELETE FROM cleanupMark WHERE tape = :tape', { tape });
      });
    },
    listErasures: async () => database.rows(ERASURE, 'ORDER BY tape'),
  };
}
