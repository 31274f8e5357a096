/** Operations on pools. */
import { z } from 'zod';
import {
  changePool,
  createPool,
  deletePool,
  listPools,
  movePool,
  renamePool,
  showPool,
} from '../pools.ts';
import { RETENTION_MS_MAX } from '../retention.ts';
import { byPool, nothing, operation, query } from './operation.ts';
import type { OperationTable } from './operation.ts';
import { poolName, text, vaultName } from './subjects.ts';

const retentionMs = z.int().min(1).max(RETENTION_MS_MAX);
const quotaBytes = z.int().min(1);

export const POOL_OPERATIONS: OperationTable = {
  'pool.create': operation(
    'pool-maintenance',
    z.strictObject({
      name: poolName,
      vault: vaultName,
      retentionMs: retentionMs.optional(),
      encrypted: z.boolean().optional(),
      quotaBytes: quotaBytes.optional(),
    }),
    (services, { name, vault, retentionMs: retention, encrypted, quotaBytes: quota }) =>
      createPool(services, {
        name,
        vault,
        ...(retention !== undefined && { retentionMs: retention }),
        ...(encrypted !== undefined && { encrypted }),
        ...(quota !== undefined && { quotaBytes: quota }),
      }),
  ),
  /** `null` takes a value away. */
  'pool.modify': operation(
    'pool-maintenance',
    z.strictObject({
      name: poolName,
      retentionMs: retentionMs.nullish(),
      encrypted: z.boolean().optional(),
      quotaBytes: quotaBytes.nullish(),
    }),
    (services, { name, retentionMs: retention, encrypted, quotaBytes: quota }) =>
      changePool(services, name, {
        ...(retention !== undefined && { retentionMs: retention ?? undefined }),
        ...(encrypted !== undefined && { encrypted }),
        ...(quota !== undefined && { quotaBytes: quota ?? undefined }),
      }),
  ),
  'pool.lock': operation('pool-maintenance', byPool, (services, { name }) =>
    changePool(services, name, { locked: true }),
  ),
  'pool.unlock': operation('pool-maintenance', byPool, (services, { name }) =>
    changePool(services, name, { locked: false }),
  ),
  'pool.rename': operation(
    'pool-maintenance',
    z.strictObject({ name: poolName, newName: text }),
    renamePool,
  ),
  'pool.move': operation(
    'pool-maintenance',
    z.strictObject({ name: poolName, vault: vaultName }),
    movePool,
  ),
  'pool.delete': operation('pool-maintenance', byPool, deletePool),
  'pool.list': query('vault-access', nothing, listPools),
  'pool.show': query('vault-access', byPool, showPool),
};
