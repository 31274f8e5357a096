/** How AutoCopy stands, tape by tape and in sum, as an operator asks for it. */
import type { CopyJobRow, CopyRuleRow, TapeRow } from '../ports/catalog.ts';
import type { ServerContext } from './context.ts';
import type { Copies, CopyInFlight } from './copies.ts';

/**
 * States in which a tape can be to a target:
 * - 'in step': the target has this generation;
 * - 'pending': its first attempt comes next;
 * - 'mounted': due, once its host gives it back;
 * - 'copying': an attempt is under way;
 * - 'retrying': an attempt failed, the next comes at its time;
 * - 'failed': all attempts failed;
 * - 'cancelled' by an operator;
 * - 'behind': it was changed since, and nothing is due: a restart of the server ended its mount;
 * - 'never': it was not dismounted since the rule was made.
 */
export const COPY_STATES = [
  'in step',
  'pending',
  'mounted',
  'copying',
  'retrying',
  'failed',
  'cancelled',
  'behind',
  'never',
] as const;
export type CopyState = (typeof COPY_STATES)[number];

export interface CopyStatusRow {
  readonly tape: string;
  readonly pool: string;
  readonly ruleId: number;
  readonly server: string;
  readonly targetPool: string;
  readonly state: CopyState;
  readonly generation: number;
  readonly copiedGeneration: number | undefined;
  readonly payloadBytes: number;
  /** Of the copy under way, else of the last one. */
  readonly bytesSent: number;
  /** Of the copy under way: of the chunks that the target lacked. */
  readonly percent: number | undefined;
  /** The attempt under way, or the next. */
  readonly attempt: number;
  readonly attemptsMax: number;
  readonly nextAttemptAtMs: number | undefined;
  readonly lastError: string | undefined;
}

export interface AutoCopyStatus {
  readonly tapes: readonly CopyStatusRow[];
  /** Only states that a tape is in. */
  readonly summary: readonly {
    readonly state: CopyState;
    readonly tapeCount: number;
    readonly payloadBytes: number;
  }[];
}

export async function autoCopyStatus(
  { context, copies }: { readonly context: ServerContext; readonly copies: Copies },
  filter: { readonly pool?: string | undefined; readonly server?: string | undefined },
): Promise<AutoCopyStatus> {
  const { catalog, clock } = context.ports;
  const jobs = await catalog.listCopyJobs();
  const open = new Set((await catalog.listMounts({ open: true })).map((mount) => mount.tape));
  const rows: CopyStatusRow[] = [];
  for (const rule of await catalog.listCopyRules(filter.pool)) {
    if (filter.server !== undefined && rule.target.server !== filter.server) continue;
    const ofRule = new Map(
      jobs.filter((job) => job.ruleId === rule.id).map((job) => [job.tape, job]),
    );
    for (const tape of await catalog.listTapes(rule.pool)) {
      const job = ofRule.get(tape.name);
      const flight = copies.all.find(
        (each) => each.tape === tape.name && each.target.server === rule.target.server,
      );
      const state = stateOf(tape, job, {
        copying: flight !== undefined,
        mounted: open.has(tape.name),
        nowMs: clock.nowMs(),
      });
      rows.push(rowOf({ tape, rule, job, flight, state }, context.copyPolicy.attemptsMax));
    }
  }
  rows.sort((a, b) => (a.tape < b.tape ? -1 : a.tape > b.tape ? 1 : a.ruleId - b.ruleId));
  return { tapes: rows, summary: sumUp(rows) };
}

function stateOf(
  tape: TapeRow,
  job: CopyJobRow | undefined,
  now: { readonly copying: boolean; readonly mounted: boolean; readonly nowMs: number },
): CopyState {
  if (job === undefined) return 'never';
  switch (job.state) {
    case 'copied':
      return job.copiedGeneration === tape.generation ? 'in step' : 'behind';
    case 'failed':
    case 'cancelled':
      return job.state;
    case 'due':
      if (now.copying) return 'copying';
      if (now.mounted) return 'mounted';
      return job.attempts > 0 && job.nextAttemptAtMs > now.nowMs ? 'retrying' : 'pending';
  }
}

function rowOf(
  parts: {
    readonly tape: TapeRow;
    readonly rule: CopyRuleRow;
    readonly job: CopyJobRow | undefined;
    readonly flight: CopyInFlight | undefined;
    readonly state: CopyState;
  },
  attemptsMax: number,
): CopyStatusRow {
  const { tape, rule, job, flight, state } = parts;
  const { bytesSent = 0, chunksSent = 0, chunksNeeded = 0 } = flight?.progress ?? {};
  const percent = chunksNeeded === 0 ? 0 : Math.floor((100 * chunksSent) / chunksNeeded);
  return {
    tape: tape.name,
    pool: tape.pool,
    ruleId: rule.id,
    server: rule.target.server,
    targetPool: rule.targetPool,
    state,
    generation: tape.generation,
    copiedGeneration: job?.copiedGeneration,
    payloadBytes: tape.payloadBytes,
    bytesSent: state === 'copying' ? bytesSent : (job?.bytesSent ?? 0),
    percent: state === 'copying' ? percent : undefined,
    attempt: Math.min(attemptsMax, (job?.attempts ?? 0) + 1),
    attemptsMax,
    nextAttemptAtMs: state === 'retrying' ? job?.nextAttemptAtMs : undefined,
    lastError: job?.lastError,
  };
}

function sumUp(rows: readonly CopyStatusRow[]): AutoCopyStatus['summary'] {
  return COPY_STATES.map((state) => {
    const ofState = rows.filter((row) => row.state === state);
    const payloadBytes = ofState.reduce((sum, row) => sum + row.payloadBytes, 0);
    return { state, tapeCount: ofState.length, payloadBytes };
  }).filter(({ tapeCount }) => tapeCount > 0);
}
