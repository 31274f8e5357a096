/** The catalog's part for Instant DR, in SQLite. */
import { CapstanError } from '../base/errors.ts';
import type { CopyTarget, EventRow, NewEvent } from '../ports/catalog.ts';
import type {
  IdrOutcome,
  IdrResultRow,
  IdrRunCounts,
  IdrRunRow,
  IdrSchemeRow,
  IdrSource,
  IdrTapeRow,
  InstantDrCatalog,
} from '../ports/catalog-instant-dr.ts';
import type { Database } from './database.ts';
import { COPY_TARGET_COLUMNS } from './tables.ts';
import type { Table } from './tables.ts';

/** Runs of a scheme that are kept with their results; the oldest make room for new ones. */
export const IDR_RUN_COUNT_MAX = 1000;

/** A scheme as it lies in its table: the target's fields beside its own, lists as JSON. */
type FlatScheme = Omit<IdrSchemeRow, 'target' | 'sources' | 'schedules'> &
  CopyTarget & { readonly sources: string; readonly schedules: string };

const SCHEME: Table<FlatScheme> = {
  name: 'idrScheme',
  columns: {
    name: 'plain',
    role: 'plain',
    ...COPY_TARGET_COLUMNS,
    sources: 'plain',
    schedules: 'plain',
    timeZone: 'plain',
    bytesPerSecond: 'plain',
    deletions: 'plain',
    deletionGraceDays: 'plain',
    enabled: 'boolean',
    createdAtMs: 'plain',
    answeredAtMs: 'plain',
  },
};

const RUN: Table<IdrRunRow> = {
  name: 'idrRun',
  columns: {
    id: 'plain',
    scheme: 'plain',
    kind: 'plain',
    cause: 'plain',
    pool: 'plain',
    state: 'plain',
    startedAtMs: 'plain',
    endedAtMs: 'plain',
    attempts: 'plain',
    nextAttemptAtMs: 'plain',
    reason: 'plain',
  },
};

const RESULT: Table<IdrResultRow> = {
  name: 'idrResult',
  columns: {
    runId: 'plain',
    tape: 'plain',
    outcome: 'plain',
    generation: 'plain',
    reason: 'plain',
    bytesSent: 'plain',
    atMs: 'plain',
  },
};

const TAPE: Table<IdrTapeRow> = {
  name: 'idrTape',
  columns: {
    scheme: 'plain',
    tape: 'plain',
    targetPool: 'plain',
    generation: 'plain',
    manifestDigest: 'plain',
    atMs: 'plain',
    goneAtMs: 'plain',
  },
};

/** `appendEvent` writes an entry of the event log within the transaction that runs. */
export function instantDrCatalog(
  database: Database,
  appendEvent: (event: NewEvent) => EventRow,
): InstantDrCatalog {
  return {
    createIdrScheme: async (scheme) =>
      database.transaction(() => {
        const { name } = scheme;
        if (database.one('SELECT 1 FROM idrScheme WHERE name = :name', { name }) !== undefined) {
          throw new CapstanError('ALREADY_EXISTS', { kind: 'scheme', name, where: '' });
        }
        database.insert(SCHEME, toFlat(scheme));
      }),
    putIdrScheme: async (scheme, event) =>
      database.transaction(() => {
        requireScheme(database, scheme.name);
        updateScheme(database, toFlat(scheme));
        return event && appendEvent(event);
      }),
    deleteIdrScheme: async (name) =>
      database.transaction(() => {
        requireScheme(database, name);
        database.run('DELETE FROM idrScheme WHERE name = :name', { name });
      }),
    listIdrSchemes: async () => database.rows(SCHEME, 'ORDER BY name').map(toScheme),

    createIdrRun: async (run, event, answeredAtMs) =>
      database.transaction(() => ({
        run: insertRun(database, run, answeredAtMs),
        event: appendEvent(event),
      })),
    putIdrRun: async (run, event) =>
      database.transaction(() => {
        requireRun(database, run.id);
        updateRun(database, run);
        return event && appendEvent(event);
      }),
    findIdrRun: async (id) => database.rows(RUN, 'WHERE id = :id', { id })[0],
    listIdrRuns: async ({ scheme, running, limit }) =>
      database.rows(
        RUN,
        `WHERE (:scheme IS NULL OR scheme = :scheme) AND (:running = 0 OR state = 'running')
         ORDER BY id DESC LIMIT +:limit`,
        { scheme: scheme ?? null, running: running === true ? 1 : 0, limit },
      ),

    recordIdrResults: async (record) => database.transaction(() => recordResults(database, record)),
    listIdrResults: async (runId) =>
      database.rows(RESULT, 'WHERE runId = :runId ORDER BY tape', { runId }),
    countIdrResults: async (runId) => countResults(database, runId),
    listIdrTapes: async (scheme) =>
      database.rows(TAPE, 'WHERE scheme = :scheme ORDER BY tape', { scheme }),
  };
}

function requireScheme(database: Database, name: string): void {
  if (database.one('SELECT 1 FROM idrScheme WHERE name = :name', { name }) === undefined) {
    throw new CapstanError('NOT_FOUND', { kind: 'scheme', name });
  }
}

function requireRun(database: Database, id: number): void {
  if (database.one('SELECT 1 FROM idrRun WHERE id = :id', { id }) === undefined) {
    throw new CapstanError('NOT_FOUND', { kind: 'run', name: id });
  }
}

function insertRun(
  database: Database,
  run: Omit<IdrRunRow, 'id'>,
  answeredAtMs: number | undefined,
): IdrRunRow {
  const { scheme } = run;
  requireScheme(database, scheme);
  const [running] = database.rows(RUN, "WHERE scheme = :scheme AND state = 'running'", { scheme });
  if (running !== undefined) {
    const by = `its run ${running.id} is not over`;
    throw new CapstanError('IN_USE', { kind: 'scheme', name: scheme, by });
  }
  const row = database.insertNumbered(RUN, run);
  database.run(
    `DELETE FROM idrRun WHERE scheme = :scheme AND id <= (SELECT id FROM idrRun
       WHERE scheme = :scheme ORDER BY id DESC LIMIT 1 OFFSET ${IDR_RUN_COUNT_MAX})`,
    { scheme },
  );
  if (answeredAtMs !== undefined) {
    database.run('UPDATE idrScheme SET answeredAtMs = :ms WHERE name = :scheme', {
      scheme,
      ms: answeredAtMs,
    });
  }
  return row;
}

function updateRun(database: Database, run: IdrRunRow): void {
  const { id, state, endedAtMs = null, attempts, nextAttemptAtMs, reason = null } = run;
  database.run(
    `UPDATE idrRun SET state = :state, endedAtMs = :endedAtMs, attempts = :attempts,
       nextAttemptAtMs = :nextAttemptAtMs, reason = :reason WHERE id = :id`,
    { id, state, endedAtMs, attempts, nextAttemptAtMs, reason },
  );
}

function recordResults(
  database: Database,
  { results, tapes = [], forget = [] }: Parameters<InstantDrCatalog['recordIdrResults']>[0],
): void {
  for (const result of results) {
    requireRun(database, result.runId);
    database.replace(RESULT, result);
  }
  for (const tape of tapes) {
    requireScheme(database, tape.scheme);
    database.replace(TAPE, tape);
  }
  for (const { scheme, tape } of forget) {
    database.run('DELETE FROM idrTape WHERE scheme = :scheme AND tape = :tape', { scheme, tape });
  }
}

/** An UPDATE: to replace the row would take its runs and tapes with it. */
function updateScheme(database: Database, flat: FlatScheme): void {
  const names = Object.keys(SCHEME.columns).filter((name) => name !== 'name');
  const { enabled, bytesPerSecond, ...rest } = flat;
  database.run(
    `UPDATE idrScheme SET ${names.map((name) => `${name} = :${name}`).join(', ')} WHERE name = :name`,
    { ...rest, enabled: enabled ? 1 : 0, bytesPerSecond: bytesPerSecond ?? null },
  );
}

function countResults(database: Database, runId: number): IdrRunCounts {
  const count = (outcome: IdrOutcome): number =>
    Number(
      database.one(
        'SELECT count(*) AS n FROM idrResult WHERE runId = :runId AND outcome = :outcome',
        { runId, outcome },
      )?.['n'],
    );
  const sum = database.one('SELECT total(bytesSent) AS n FROM idrResult WHERE runId = :runId', {
    runId,
  });
  return {
    copied: count('copied'),
    unchanged: count('unchanged'),
    skipped: count('skipped'),
    failed: count('failed'),
    deleted: count('deleted'),
    bytesSent: Number(sum?.['n']),
  };
}

function toFlat({ target, sources, schedules, ...rest }: IdrSchemeRow): FlatScheme {
  return {
    ...rest,
    ...target,
    sources: JSON.stringify(sources),
    schedules: JSON.stringify(schedules),
  };
}

function toScheme(flat: FlatScheme): IdrSchemeRow {
  const { server, address, port, user, hostKey, transport, sources, schedules, ...rest } = flat;
  return {
    ...rest,
    target: { server, address, port, user, hostKey, transport },
    sources: JSON.parse(sources) as readonly IdrSource[],
    schedules: JSON.parse(schedules) as readonly string[],
  };
}
