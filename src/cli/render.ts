/** Results of operations as text: a table a list, lines of `name: value` for one thing. */
import { formatRetention } from '../server/retention.ts';
import { formatCount, formatDuration, formatSize, formatTable } from './text.ts';
import type { Column } from './text.ts';

type Row = Readonly<Record<string, unknown>>;

const text =
  (key: string) =>
  (row: Row): string =>
    cell(row[key]);
const size =
  (key: string) =>
  (row: Row): string =>
    typeof row[key] === 'number' ? formatSize(row[key]) : '-';
const time =
  (key: string) =>
  (row: Row): string =>
    timeText(row[key]);
const rate = (row: Row): string =>
  typeof row['bytesPerSecond'] === 'number' ? `${formatSize(row['bytesPerSecond'])}/s` : '-';
const column = (title: string, value: (row: Row) => string, align?: 'right'): Column<Row> => ({
  title,
  value,
  ...(align !== undefined && { align }),
});
const target = (row: Row): Row => (row['target'] ?? {}) as Row;

/** The columns of each kind of row. */
const TABLES = {
  vault: [
    column('VAULT', text('name')),
    column('POOLS', text('poolCount'), 'right'),
    column('TAPES', text('tapeCount'), 'right'),
    column('SIZE', size('payloadBytes'), 'right'),
    column('FREE', size('freeBytes'), 'right'),
    column('OF', size('totalBytes'), 'right'),
    column('STATE', (row) =>
      /^(?:open|kept )/.test(cell(row['state'])) ? cell(row['state']) : 'closed',
    ),
    column('CREATED', time('createdAtMs')),
    column('PATH', text('path')),
  ],
  pool: [
    column('POOL', text('name')),
    column('VAULT', text('vault')),
    column('TAPES', text('tapeCount'), 'right'),
    column('SIZE', size('payloadBytes'), 'right'),
    column('RETENTION', (row) => formatRetention(row['retentionMs'] as number | undefined)),
    column('QUOTA', size('quotaBytes'), 'right'),
    column('MARKS', (row) => marks(row, ['locked', 'encrypted'])),
    column('CREATED', time('createdAtMs')),
  ],
  metadata: [
    column('ITEM', text('item')),
    column('VALUE', text('value')),
    column('WRITABLE', (row) => (row['writable'] === true ? 'yes' : 'no')),
  ],
  peer: [
    column('SERVER', text('server')),
    column('ADDRESS', (row) => `${cell(row['address'])}:${cell(row['port'])}`),
    column('TRANSPORT', text('transport')),
    column('KEEPS', (row) => cell(list(row['keeps']).map(cell).join(', '))),
    column('HAS MOUNTED', (row) => cell(list(row['mounted']).map(cell).join(', '))),
    column('STATE', text('state')),
  ],
  lock: [
    column('ON', (row) => cell(row['tape'] ?? `pool ${cell(row['pool'])}`)),
    column('PROCESS', text('process')),
    column('SINCE', (row) => timeText(row['sinceMs'])),
    column('REASON', text('reason')),
  ],
  tape: [
    column('TAPE', text('name')),
    column('POOL', text('pool')),
    column('LABEL', text('labelType')),
    column('GENERATION', text('generation'), 'right'),
    column('SIZE', size('payloadBytes'), 'right'),
    column('CAPACITY', size('capacityBytes'), 'right'),
    column('WRITTEN', time('writtenAtMs')),
    column('COPIED FROM', text('copiedFrom')),
    column('MARKS', tapeMarks),
  ],
  drive: [
    column('DRIVE', text('name')),
    column('HOST', text('host')),
    column('DEVICE', text('device')),
    column('SERIAL', text('serialNumber')),
    column('TAPE', text('tape')),
  ],
  mount: [
    column('TAPE', text('tape')),
    column('HOST', text('host')),
    column('REQUEST', text('requestNumber'), 'right'),
    column('DRIVE', (row) => cell(row['drive'] ?? row['device'])),
    column('RING', (row) => (row['ring'] === true ? 'ring' : 'no ring')),
    column('SINCE', (row) => timeText(row['mountedAtMs'] ?? row['receivedAtMs'])),
    column('STATE', (row) => cell(row['state'] ?? row['reason'])),
  ],
  host: [
    column('HOST', text('name')),
    column('ADDRESS', text('address')),
    column('SESSION', text('state')),
    column('SINCE', time('stateSinceAtMs')),
    column('SESSIONS', text('sessionCount'), 'right'),
    column('EVENTS', text('eventCount'), 'right'),
    column('LAST EVENT', text('lastEvent')),
    column('DRIVES', text('driveCount'), 'right'),
    column('WAITING', text('waitingRequestCount'), 'right'),
    column('LAST FAILURE', text('lastFailure')),
  ],
  user: [
    column('USER', text('name')),
    column('GROUP', text('group')),
    column('STATE', text('state')),
    column('VAULTS', (row) => (Array.isArray(row['vaults']) ? row['vaults'].join(' ') : 'all')),
    column('LAST LOG-ON', time('loggedOnAtMs')),
    column('PASSWORD SET', time('passwordSetAtMs')),
  ],
  right: [
    column('RIGHT', text('right')),
    column('NAME', text('name')),
    column('GROUPS', (row) => (row['groups'] as readonly string[]).join(' ')),
  ],
  session: [
    column('ID', text('id'), 'right'),
    column('USER', text('user')),
    column('KIND', text('kind')),
    column('FROM', (row) => cell(row['kind'] === 'token' ? row['purpose'] : row['address'])),
    column('SINCE', time('createdAtMs')),
    column('USED', time('usedAtMs')),
    column('UNTIL', time('expiresAtMs')),
  ],
  licence: [
    column('LICENCE', text('number')),
    column('STATE', text('state')),
    column('FEATURES', (row) => (row['features'] as readonly string[]).join(' ')),
    column('EXPORT', size('capacityBytes')),
    column('SERVER', text('server')),
    column('UNTIL', time('expiresAtMs')),
    column('HOLDER', text('holder')),
  ],
  rule: [
    column('ID', text('id'), 'right'),
    column('POOL', text('pool')),
    column('SERVER', (row) => cell(target(row)['server'])),
    column('TARGET POOL', text('targetPool')),
    column('ADDRESS', (row) => `${cell(target(row)['address'])}:${cell(target(row)['port'])}`),
    column('TRANSPORT', (row) => cell(target(row)['transport'])),
    column('LIMIT', rate),
  ],
  copy: [
    column('TAPE', text('tape')),
    column('POOL', text('pool')),
    column('SERVER', text('server')),
    column('STATUS', copyStatus),
    column('GENERATION', text('generation'), 'right'),
    column('COPIED', text('copiedGeneration'), 'right'),
    column('SIZE', size('payloadBytes'), 'right'),
    column('SENT', size('bytesSent'), 'right'),
    column('LAST ERROR', text('lastError')),
  ],
  job: [
    column('TAPE', text('tape')),
    column('RULE', text('ruleId'), 'right'),
    column('STATE', text('state')),
    column('GENERATION', text('generation'), 'right'),
    column('COPIED', text('copiedGeneration'), 'right'),
    column('ATTEMPTS', text('attempts'), 'right'),
    column('QUEUED', time('queuedAtMs')),
    column('NEXT ATTEMPT', (row) =>
      row['state'] === 'due' ? timeText(row['nextAttemptAtMs']) : '-',
    ),
    column('SENT', size('bytesSent'), 'right'),
    column('LAST ERROR', text('lastError')),
  ],
  'policy-run': [
    column('STARTED', time('startedAtMs')),
    column('FROM', text('host')),
    column('STATE', text('state')),
    column('COMMAND', text('text')),
    column('OUTCOME', text('outcome')),
  ],
  answer: [
    column('WHAT', text('subject')),
    column('OUTCOME', text('outcome')),
    column('REASON', text('reason')),
  ],
  'cleanup-line': [
    column('POOL :: CARTRIDGE', (row) => `${cell(row['pool'])} :: ${cell(row['tape'])}`),
    column('ERASED', time('erasedAtMs')),
    column('WRITTEN', time('writtenAtMs')),
    column('RETENTION', (row) => formatRetention(row['retentionMs'] as number | undefined)),
    column('MIGRATED', (row) =>
      row['migrated'] === 'by VTS' ? timeText(row['migratedAtMs']) : cell(row['migrated']),
    ),
    column('SIZE', size('sizeBytes'), 'right'),
    column('ERASE', (row) => `${row['erase'] === true ? '[x]' : '[ ]'} ${cell(row['reason'])}`),
  ],
  scheme: [
    column('SCHEME', text('name')),
    column('ROLE', text('role')),
    column('SERVER', (row) => cell(target(row)['server'])),
    column('POOLS', schemeSources),
    column('SCHEDULE', (row) => list(row['schedules']).map(cell).join('; ') || '-'),
    column('TIME ZONE', text('timeZone')),
    column('DELETIONS', text('deletions')),
    column('LIMIT', rate),
    column('ENABLED', (row) => (row['enabled'] === true ? 'yes' : 'no')),
  ],
  'idr-status': [
    column('SCHEME', (row) => cell(nested(row, 'scheme')['name'])),
    column('ROLE', (row) => cell(nested(row, 'scheme')['role'])),
    column('SERVER', (row) => cell(target(nested(row, 'scheme'))['server'])),
    column('RUN', (row) => cell(nested(row, 'run')['id']), 'right'),
    column('STATUS', schemeStatus),
    column('RESULTS', (row) => runCounts(nested(row, 'counts'))),
    column('NEXT', time('nextAtMs')),
  ],
  'idr-run': [
    column('RUN', text('id'), 'right'),
    column('SCHEME', text('scheme')),
    column('KIND', text('kind')),
    column('BY', text('cause')),
    column('STARTED', time('startedAtMs')),
    column('ENDED', time('endedAtMs')),
    column('STATE', text('state')),
    column('RESULTS', (row) => runCounts(nested(row, 'counts'))),
    column('SENT', (row) => size('bytesSent')(nested(row, 'counts')), 'right'),
    column('REASON', text('reason')),
  ],
  result: [
    column('TAPE', text('tape')),
    column('RESULT', text('outcome')),
    column('GENERATION', text('generation'), 'right'),
    column('SENT', size('bytesSent'), 'right'),
    column('REASON', text('reason')),
  ],
  chosen: [column('TAPE', text('tape')), column('SERVER', text('server'))],
} as const satisfies Record<string, readonly Column<Row>[]>;

/** How a result is shown. `fields`: one thing; `text`: as it comes; `verify`, `repair`: a report of damages. */
export type RowKind =
  | keyof typeof TABLES
  | 'access'
  | 'cleanup'
  | 'policy-report'
  | 'fields'
  | 'text'
  | 'verify'
  | 'repair'
  | 'idr-report';

export function render(kind: RowKind, result: unknown): string {
  if (kind === 'fields') return renderFields(result);
  if (kind === 'text') return String(result);
  if (kind === 'access') return renderAccess(result);
  if (kind === 'verify') return renderVerify(result);
  if (kind === 'repair') return renderRepair(result);
  if (kind === 'cleanup') return renderCleanup(result);
  if (kind === 'policy-report') return renderPolicyReport(result);
  if (kind === 'copy') return renderCopies(result);
  if (kind === 'idr-report') return renderReport(result);
  const rows = rowsOf(result);
  return rows.length === 0 ? 'none' : formatTable<Row>(TABLES[kind], rows);
}

/** Who locked it, and whether its content was taken away. */
function tapeMarks(row: Row): string {
  const isErased = row['payloadBytes'] === 0 && row['erasedAtMs'] !== undefined;
  const shown = { ...row, locked: row['userLocked'], 'autoload-locked': row['autoloadLocked'] };
  return marks({ ...shown, erased: isErased }, ['locked', 'autoload-locked', 'erased']);
}

/** The names of the flags that are set. */
function marks(row: Row, names: readonly string[]): string {
  return cell(names.filter((name) => row[name] === true).join(', '));
}

/** A list, or an object whose lists belong together (open mounts and requests). */
function rowsOf(result: unknown): readonly Row[] {
  if (Array.isArray(result)) return result as Row[];
  return Object.values((result ?? {}) as Row).flatMap((value) =>
    Array.isArray(value) ? (value as Row[]) : [],
  );
}

const nested = (row: Row, name: string): Row => (row[name] ?? {}) as Row;
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** `BACKUP=DR, vault VAULT01`. */
function schemeSources(row: Row): string {
  return list(row['sources'])
    .map((each) => {
      const { pool, targetPool, vault } = each as Row;
      if (pool === undefined) return `vault ${cell(vault)}`;
      return pool === targetPool ? cell(pool) : `${cell(pool)}=${cell(targetPool)}`;
    })
    .join(', ');
}

/** `3 copied, 1 failed`; outcomes that no tape had are left out. */
function runCounts(counts: Row): string {
  const outcomes = ['copied', 'unchanged', 'skipped', 'failed', 'deleted'];
  const parts = outcomes
    .filter((outcome) => Number(counts[outcome] ?? 0) > 0)
    .map((outcome) => `${formatCount(Number(counts[outcome]))} ${outcome}`);
  return parts.length === 0 ? '-' : parts.join(', ');
}

/** `running, 12 of 40, LAB013`, `waits for attempt 3 at 14:35`, or how the last run ended. */
function schemeStatus(row: Row): string {
  const run = nested(row, 'run');
  const { state, kind } = run;
  if (state === undefined) return 'no run yet';
  if (state !== 'running') return `${cell(kind)} ${cell(state)}`;
  const { tapeCount = 0, doneCount = 0, copying } = nested(row, 'progress');
  if (Number(run['attempts']) > 0 && Number(run['nextAttemptAtMs']) > Date.now()) {
    const at = timeText(run['nextAttemptAtMs']).slice(11, 16);
    return `waits for attempt ${Number(run['attempts']) + 1} at ${at}`;
  }
  const now = list(copying).map(cell).join(', ');
  return `${cell(kind)}, ${cell(doneCount)} of ${cell(tapeCount)}${now === '' ? '' : `, ${now}`}`;
}

function renderReport(result: unknown): string {
  const { run, counts, results = [] } = (result ?? {}) as Row;
  const head = formatTable<Row>(TABLES['idr-run'], [{ ...(run as Row), counts }]);
  const rows = list(results) as readonly Row[];
  return rows.length === 0 ? head : `${head}\n\n${formatTable<Row>(TABLES.result, rows)}`;
}

/** `retry 3 of 12 at 14:35`. */
function copyStatus(row: Row): string {
  const { state, percent, attempt, attemptsMax } = row;
  if (state === 'copying') return `copying ${cell(percent)} %`;
  if (state !== 'retrying') return state === 'mounted' ? 'pending, mounted' : cell(state);
  const at = timeText(row['nextAttemptAtMs']).slice(11, 16);
  return `retry ${cell(attempt)} of ${cell(attemptsMax)} at ${at}`;
}

/** The tapes, then how many are in each state. */
function renderCopies(result: unknown): string {
  const { tapes = [], summary = [] } = (result ?? {}) as Readonly<Record<string, readonly Row[]>>;
  if (tapes.length === 0) return 'none';
  const sums = summary.map(
    (row) =>
      `${cell(row['state'])} ${formatCount(Number(row['tapeCount']))} (${formatSize(Number(row['payloadBytes']))})`,
  );
  return `${formatTable<Row>(TABLES.copy, tapes)}\n\n${sums.join(', ')}`;
}

function renderAccess(result: unknown): string {
  const { rights, ...rest } = (result ?? {}) as Row;
  return `${renderFields(rest)}\n${render('right', rights)}`;
}

function renderVerify(result: unknown): string {
  const report = (result ?? {}) as Row;
  const damages = (report['damages'] ?? []) as readonly Row[];
  const summary = `${formatCount(Number(report['imageCount'] ?? 0))} tape images, ${formatCount(
    Number(report['chunkCount'] ?? 0),
  )} chunks, ${formatSize(Number(report['bytesRead'] ?? 0))} read`;
  if (damages.length === 0) return `${summary}: no damage.`;
  const lines = damages.map((damage) => `  ${cell(damage['place'])}: ${cell(damage['what'])}`);
  return [`${summary}: ${damages.length} damaged.`, ...lines].join('\n');
}

function renderRepair(result: unknown): string {
  const report = (result ?? {}) as Row;
  const [damaged, healed, lacking] = ['damaged', 'healed', 'lacking'].map((each) =>
    formatCount(Number(report[`${each}ChunkCount`] ?? 0)),
  );
  return `${damaged} damaged chunks, ${healed} healed, ${lacking} lacking\n${renderVerify(result)}`;
}

function renderCleanup(result: unknown): string {
  const table = (result ?? {}) as Row;
  const scanned =
    table['scannedAtMs'] === undefined
      ? 'never scanned'
      : `scanned ${timeText(table['scannedAtMs'])} by ${cell(table['scannedBy'])}`;
  const next =
    table['enable'] === true
      ? `next ${timeText(table['nextScanAtMs'])}, erases ${table['autoerase'] === true ? 'by itself' : 'when told to'}`
      : 'off (cleanup.enable)';
  const rows = (table['tapes'] ?? []) as readonly Row[];
  const lines = rows.length === 0 ? 'none' : formatTable<Row>(TABLES['cleanup-line'], rows);
  return `Scan/Cleanup: ${scanned}; ${next}\n${lines}`;
}

function renderPolicyReport(result: unknown): string {
  const report = (result ?? {}) as Row;
  const answers = (report['answers'] ?? []) as readonly Row[];
  const head = `${cell(report['state'])}: ${cell(report['outcome'])}`;
  return answers.length === 0 ? head : `${head}\n${formatTable<Row>(TABLES.answer, answers)}`;
}

function renderFields(result: unknown, indent = ''): string {
  if (result === null || typeof result !== 'object') return `${indent}done`;
  const lines: string[] = [];
  for (const [name, value] of Object.entries(result)) {
    // What is not there has no line; what stands there in words has no second one in numbers.
    if (value === undefined || (name === 'retentionMs' && 'retention' in result)) continue;
    const label = `${indent}${name.replace(/Bytes$|AtMs$|Ms$/, '')}`;
    if (Array.isArray(value)) {
      lines.push(value.length === 0 ? `${label}: none` : `${label}:`);
      for (const item of value as readonly unknown[]) lines.push(`${indent}  ${inlineText(item)}`);
    } else if (value !== null && typeof value === 'object') {
      lines.push(`${label}:`, renderFields(value, `${indent}  `));
    } else {
      lines.push(`${label}: ${fieldText(name, value)}`);
    }
  }
  return lines.length === 0 ? `${indent}done` : lines.join('\n');
}

function inlineText(item: unknown): string {
  if (item === null || typeof item !== 'object') return cell(item);
  return Object.entries(item)
    .map(([name, value]) => `${name.replace(/Bytes$|AtMs$|Ms$/, '')} ${fieldText(name, value)}`)
    .join(', ');
}

function fieldText(name: string, value: unknown): string {
  if (typeof value === 'number' && name.endsWith('Bytes')) return formatSize(value);
  if (/AtMs$|^(?:at|since)Ms$/.test(name)) return timeText(value);
  if (name === 'retentionMs') return formatRetention(Number(value));
  if (typeof value === 'number' && name.endsWith('Ms')) return formatDuration(value);
  return value !== null && typeof value === 'object' ? JSON.stringify(value) : cell(value);
}

function cell(value: unknown): string {
  if (value === undefined || value === null || value === '') return '-';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** The machine's own time zone: this is for people. */
function timeText(value: unknown): string {
  if (typeof value !== 'number') return '-';
  const at = new Date(value);
  const pad = (part: number): string => String(part).padStart(2, '0');
  const day = `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
  return `${day} ${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
}
