/** Rows that the catalog's conformance suites begin with, and what each of them does. */
import { expect } from 'vitest';
import type { ErrorCode } from '../../src/base/errors.ts';
import { generation } from '../../src/base/units.ts';
import type {
  Catalog,
  CopyJobRow,
  CopyRuleRow,
  DriveRow,
  EventRow,
  MountRequestRow,
  TapeRow,
} from '../../src/ports/catalog.ts';

export const AT_MS = Date.UTC(2006, 7, 28, 16, 25, 18);

export const TAPE: TapeRow = {
  name: 'LAB001',
  pool: 'DAILY',
  vault: 'VAULT00',
  labelType: 'backup',
  capacityBytes: 40_000_000_000,
  generation: generation(0),
  payloadBytes: 0,
  createdAtMs: AT_MS,
  writtenAtMs: undefined,
  mountedAtMs: undefined,
  dismountedAtMs: undefined,
  copiedFrom: undefined,
  owner: '',
  updatedAtMs: undefined,
  erasedAtMs: undefined,
  exportedAtMs: undefined,
  importedAtMs: undefined,
  migratedAtMs: undefined,
  migratedBy: undefined,
  restoredAtMs: undefined,
  userLocked: false,
  autoloadLocked: false,
  keyId: undefined,
};
export const DRIVE: DriveRow = {
  name: 'VTD01',
  host: '\\LAB',
  device: '$TAPE0',
  serialNumber: 'CAP0000001',
};
export const MOUNT = {
  tape: 'LAB001',
  drive: 'VTD01',
  host: '\\LAB',
  requestNumber: 7,
  ring: true,
  mountedAtMs: AT_MS + 1000,
} as const;
export const REQUEST: MountRequestRow = {
  host: '\\LAB',
  requestNumber: 7,
  tape: 'LAB001',
  device: undefined,
  ring: true,
  receivedAtMs: AT_MS,
  reason: 'waiting for a drive',
};
export const RULE: Omit<CopyRuleRow, 'id'> = {
  pool: 'DAILY',
  target: {
    server: 'west',
    address: '127.0.0.1',
    port: 2222,
    user: 'capstan',
    hostKey: 'SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU',
    transport: 'ssh2',
  },
  targetPool: 'DR',
  bytesPerSecond: undefined,
};
export const CONTENT = {
  generation: generation(1),
  payloadBytes: 65_536,
  manifestDigest: 'ab'.repeat(32),
} as const;
export const EVENT: Omit<EventRow, 'id'> = {
  atMs: AT_MS,
  severity: 'INFO',
  messageId: '220001',
  address: '127.0.0.1',
  user: 'operator',
  program: '',
  text: 'Cartridge LAB001 for read-write has been manually mounted',
};

/** Makes a vault, two pools, a tape, a drive. */
export async function furnish(catalog: Catalog): Promise<void> {
  await catalog.createVault({ name: 'VAULT00', path: '/vaults/0', createdAtMs: AT_MS });
  await catalog.createPool({ name: 'DAILY', vault: 'VAULT00', createdAtMs: AT_MS });
  await catalog.createPool({ name: 'ARCHIVE', vault: 'VAULT00', createdAtMs: AT_MS });
  await catalog.createTape(TAPE);
  await catalog.createDrive(DRIVE);
}

/** A copy of LAB001 that failed three times. */
export function jobOf(rule: CopyRuleRow, fields: Partial<CopyJobRow> = {}): CopyJobRow {
  return {
    tape: 'LAB001',
    ruleId: rule.id,
    generation: generation(1),
    state: 'due',
    attempts: 3,
    queuedAtMs: AT_MS,
    nextAttemptAtMs: AT_MS + 900_000,
    copiedGeneration: undefined,
    lastError: 'west cannot be reached: connection refused.',
    bytesSent: 12,
    ...fields,
  };
}

export function dismount(
  catalog: Catalog,
  mountId: number,
  fields: Partial<Parameters<Catalog['recordDismount']>[0]> = {},
): Promise<void> {
  return catalog.recordDismount({
    mountId,
    atMs: AT_MS + 60_000,
    state: 'dismounted',
    content: undefined,
    queueRuleIds: [],
    ...fields,
  });
}

/** Expects a rejection with `code`; gives its sentence. */
export async function refuses(code: ErrorCode, call: () => Promise<unknown>): Promise<string> {
  const error: unknown = await call().then(
    () => new Error('nothing was refused'),
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: 'CapstanError', code });
  return (error as Error).message;
}
