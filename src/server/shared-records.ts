/**
 * What servers of a shared vault tell each other of its pools, tapes and locks, and what the vault's ledger
 * keeps: records, each of one thing as it now is.
 *
 * Terms: the **rows** of a vault are what its records, read from the first to the last, come to.
 */
import { z } from 'zod';
import { generation } from '../base/units.ts';
import { NAME_PATTERNS } from '../base/names.ts';
import type { Catalog, GenerationRow, PoolRow, TapeRow } from '../ports/catalog.ts';
import type { LockRow } from '../ports/catalog-media.ts';
import type { VaultChanges } from '../ports/catalog-shared.ts';

const count = z.int().min(0);
const time = z.number();
const name = z.string().max(64);
const tapeName = z.string().regex(NAME_PATTERNS.tape);
const poolName = z.string().regex(NAME_PATTERNS.pool);
const asGeneration = count.transform(generation);

const pool = z.strictObject({
  name: poolName,
  vault: name,
  createdAtMs: time,
  retentionMs: time.optional(),
  encrypted: z.boolean(),
  locked: z.boolean(),
  quotaBytes: count.optional(),
});
const tape = z.strictObject({
  name: tapeName,
  pool: poolName,
  vault: name,
  labelType: z.enum(['ansi', 'backup', 'unlabelled', 'ibm']),
  capacityBytes: count,
  generation: asGeneration,
  payloadBytes: count,
  createdAtMs: time,
  writtenAtMs: time.optional(),
  mountedAtMs: time.optional(),
  dismountedAtMs: time.optional(),
  copiedFrom: name.optional(),
  owner: z.string().max(14),
  updatedAtMs: time.optional(),
  erasedAtMs: time.optional(),
  exportedAtMs: time.optional(),
  importedAtMs: time.optional(),
  migratedAtMs: time.optional(),
  migratedBy: z.enum(['vts', 'other']).optional(),
  restoredAtMs: time.optional(),
  userLocked: z.boolean(),
  autoloadLocked: z.boolean(),
  keyId: name.optional(),
});
const version = z.strictObject({
  tape: tapeName,
  generation: asGeneration,
  atMs: time,
  payloadBytes: count,
  manifestDigest: z.string().max(128),
  origin: name,
});
const lock = z.strictObject({
  tape: tapeName.optional(),
  pool: poolName.optional(),
  process: z.string().max(100),
  sinceMs: time,
  reason: z.string().max(400),
});

const record = z.discriminatedUnion('is', [
  /** The first of a ledger: which vault this is. */
  z.strictObject({ is: z.literal('vault'), id: z.string().regex(/^[0-9a-f]{32}$/), name }),
  z.strictObject({ is: z.literal('pool'), row: pool }),
  z.strictObject({ is: z.literal('tape'), row: tape }),
  z.strictObject({ is: z.literal('generation'), row: version }),
  z.strictObject({ is: z.literal('no-pool'), name: poolName }),
  z.strictObject({ is: z.literal('no-tape'), name: tapeName }),
  /** All locks on the vault's pools and tapes, as they now are. */
  z.strictObject({ is: z.literal('locks'), rows: z.array(lock) }),
]);

/** Of records from outside. */
export const RECORDS = z.array(record);
export type VaultRecord = z.infer<typeof record>;

/** The rows of a vault. */
export class VaultRows {
  readonly pools = new Map<string, PoolRow>();
  readonly tapes = new Map<string, TapeRow>();
  /** By tape and generation. */
  readonly generations = new Map<string, Map<number, GenerationRow>>();
  locks: readonly LockRow[] = [];

  take(records: readonly VaultRecord[]): void {
    for (const each of records) this.#take(each);
  }

  #take(each: VaultRecord): void {
    switch (each.is) {
      case 'pool':
        this.pools.set(each.row.name, each.row as PoolRow);
        break;
      case 'tape':
        this.tapes.set(each.row.name, each.row as TapeRow);
        break;
      case 'generation': {
        const versions = this.generations.get(each.row.tape) ?? new Map<number, GenerationRow>();
        versions.set(each.row.generation, each.row);
        this.generations.set(each.row.tape, versions);
        break;
      }
      case 'no-pool':
        this.pools.delete(each.name);
        break;
      case 'no-tape':
        this.tapes.delete(each.name);
        this.generations.delete(each.name);
        break;
      case 'locks':
        this.locks = each.rows as readonly LockRow[];
        break;
      default:
    }
  }

  /** Records that come to these rows. */
  records(): readonly VaultRecord[] {
    return [
      ...[...this.pools.values()].map((row) => ({ is: 'pool', row }) as const),
      ...[...this.tapes.values()].flatMap((row) => [
        { is: 'tape', row } as const,
        ...[...(this.generations.get(row.name)?.values() ?? [])].map(
          (each) => ({ is: 'generation', row: each }) as const,
        ),
      ]),
      { is: 'locks', rows: this.locks } as const,
    ] as readonly VaultRecord[];
  }
}

/** What of a vault's rows in the catalog is not as `known` has it. */
export async function changedRecords(
  catalog: Catalog,
  vault: string,
  known: VaultRows,
): Promise<readonly VaultRecord[]> {
  const pools = (await catalog.listPools()).filter((each) => each.vault === vault);
  const tapes = (await catalog.listTapes()).filter((each) => each.vault === vault);
  const locks = locksWithin(await catalog.listLocks(), pools, tapes);
  const changed: VaultRecord[] = [];
  for (const row of pools) {
    if (!same(row, known.pools.get(row.name))) changed.push({ is: 'pool', row });
  }
  const gone = (rows: readonly { readonly name: string }[], keys: Iterable<string>): string[] => {
    const present = new Set(rows.map((row) => row.name));
    return [...keys].filter((key) => !present.has(key));
  };
  for (const key of gone(tapes, known.tapes.keys())) changed.push({ is: 'no-tape', name: key });
  for (const row of tapes) {
    const before = known.tapes.get(row.name);
    if (same(row, before)) continue;
    changed.push({ is: 'tape', row });
    if (before?.generation === row.generation && known.generations.has(row.name)) continue;
    for (const each of await catalog.listGenerations(row.name)) {
      if (same(each, known.generations.get(row.name)?.get(each.generation))) continue;
      changed.push({ is: 'generation', row: each });
    }
  }
  for (const key of gone(pools, known.pools.keys())) changed.push({ is: 'no-pool', name: key });
  if (JSON.stringify(locks) !== JSON.stringify(known.locks)) {
    changed.push({ is: 'locks', rows: [...locks] });
  }
  return changed;
}

function locksWithin(
  locks: readonly LockRow[],
  pools: readonly PoolRow[],
  tapes: readonly TapeRow[],
): readonly LockRow[] {
  const of = new Set([...pools.map((row) => `pool ${row.name}`), ...tapes.map((row) => row.name)]);
  return locks.filter((each) => of.has(each.tape ?? `pool ${each.pool}`));
}

/** Whether both rows have the same values; what is missing is as what is undefined. */
function same(one: object, other: object | undefined): boolean {
  if (other === undefined) return false;
  const right = other as Readonly<Record<string, unknown>>;
  return Object.entries(one).every(([key, value]: [string, unknown]) => right[key] === value);
}

/** What a catalog has to change, so that it comes to what `records` say. */
export function changesOf(records: readonly VaultRecord[]): VaultChanges {
  const rows = new VaultRows();
  rows.take(records);
  const goneTapes = new Set<string>();
  const gonePools = new Set<string>();
  let locks: readonly LockRow[] | undefined;
  for (const each of records) {
    if (each.is === 'no-tape') goneTapes.add(each.name);
    if (each.is === 'no-pool') gonePools.add(each.name);
    if (each.is === 'locks') locks = each.rows as readonly LockRow[];
  }
  return {
    pools: [...rows.pools.values()],
    tapes: [...rows.tapes.values()],
    generations: [...rows.generations.values()].flatMap((each) => [...each.values()]),
    goneTapes: [...goneTapes],
    gonePools: [...gonePools].filter((each) => !rows.pools.has(each)),
    locks,
  };
}

interface Named {
  readonly name: string;
  readonly vault: string;
}

/**
 * What a catalog has to change, so that a vault's rows in it are `wanted` and no others; tapes that have
 * `arrived` are in another vault there.
 */
export async function changesTo(
  catalog: Catalog,
  vault: string,
  wanted: VaultRows,
  arrived: readonly { readonly name: string }[],
): Promise<VaultChanges> {
  const own = (rows: readonly Named[], keep: ReadonlyMap<string, unknown>): readonly string[] =>
    rows.filter((row) => row.vault === vault && !keep.has(row.name)).map((row) => row.name);
  return {
    ...changesOf(wanted.records()),
    arriving: arrived.map((each) => each.name),
    goneTapes: own(await catalog.listTapes(), wanted.tapes),
    gonePools: own(await catalog.listPools(), wanted.pools),
  };
}
