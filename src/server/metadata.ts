/**
 * A tape's metadata, as the Meta Data Control Panel reads and writes it: single items, times as
 * `DDMonYY HH:MM`.
 *
 * The metadata are kept in the catalog beside the tape and are no part of its size. Times are UTC, as in
 * the event log. The server keeps them by itself; an operator who writes one corrects what is wrong.
 *
 * @source VTS 6.04.02 Operations Guide, p. 100 (items, form of times); 6.04.01, p. 111 (limit)
 */
import { formatPanelTime, parsePanelTime } from '../base/civil-time.ts';
import { CapstanError } from '../base/errors.ts';
import type { Catalog, TapeRow } from '../ports/catalog.ts';
import type { TapeChanges } from '../ports/catalog-media.ts';
import { formatRetention } from './retention.ts';
import { labelOf, labelTypeOnTape } from './tape-content.ts';
import { refuseLocked } from './tape-locks.ts';
import { poolOf, tapeOf } from './tapes.ts';
import type { TapeServices } from './tapes.ts';

/** Most that is kept about a tape. */
export const METADATA_BYTES_MAX = 27_000_000;

type TimeField = Extract<keyof TapeChanges, `${string}AtMs`>;

type Item =
  | { readonly kind: 'time'; readonly field: TimeField; readonly required?: boolean }
  | { readonly kind: 'owner' | 'migrated-by' }
  | { readonly kind: 'volume' | 'label-type' | 'retention' | 'key' | 'bytes' };

/** Names are the manual's words; in their order. */
export const METADATA_ITEMS = {
  volume: { kind: 'volume' },
  'label-type': { kind: 'label-type' },
  owner: { kind: 'owner' },
  created: { kind: 'time', field: 'createdAtMs', required: true },
  written: { kind: 'time', field: 'writtenAtMs' },
  updated: { kind: 'time', field: 'updatedAtMs' },
  mounted: { kind: 'time', field: 'mountedAtMs' },
  unmounted: { kind: 'time', field: 'dismountedAtMs' },
  erased: { kind: 'time', field: 'erasedAtMs' },
  exported: { kind: 'time', field: 'exportedAtMs' },
  imported: { kind: 'time', field: 'importedAtMs' },
  migrated: { kind: 'time', field: 'migratedAtMs' },
  'migrated-by': { kind: 'migrated-by' },
  restored: { kind: 'time', field: 'restoredAtMs' },
  retention: { kind: 'retention' },
  'key-id': { kind: 'key' },
  bytes: { kind: 'bytes' },
} as const satisfies Record<string, Item>;

export type MetadataItemName = keyof typeof METADATA_ITEMS;
export const METADATA_ITEM_NAMES = Object.keys(METADATA_ITEMS) as MetadataItemName[];

export interface MetadataItem {
  readonly item: MetadataItemName;
  /** `none` where there is none. */
  readonly value: string;
  readonly writable: boolean;
}

const NONE = 'none';

const isWritable = ({ kind }: Item): boolean =>
  kind === 'time' || kind === 'owner' || kind === 'migrated-by';

/** All items, or the one named. */
export async function showMetadata(
  { context, vaults }: TapeServices,
  { name, item }: { readonly name: string; readonly item?: MetadataItemName | undefined },
): Promise<readonly MetadataItem[]> {
  const { catalog } = context.ports;
  const tape = await tapeOf(context, name);
  const { retentionMs } = await poolOf(context, tape.pool);
  const bytes = await metadataBytes(catalog, tape);
  const labelType = await labelTypeOnTape(vaults, tape);
  const valueOf = (each: Item): string => {
    switch (each.kind) {
      case 'time':
        return timeText(tape[each.field]);
      case 'retention':
        return formatRetention(retentionMs);
      case 'bytes':
        return String(bytes);
      case 'volume':
        return tape.name;
      case 'label-type':
        return labelType;
      case 'owner':
        return tape.owner === '' ? NONE : tape.owner;
      case 'migrated-by':
        return tape.migratedBy ?? NONE;
      case 'key':
        return tape.keyId ?? NONE;
    }
  };
  return METADATA_ITEM_NAMES.filter((each) => item === undefined || each === item).map((each) => {
    const entry = METADATA_ITEMS[each];
    return { item: each, value: valueOf(entry), writable: isWritable(entry) };
  });
}

const timeText = (ms: number | undefined): string =>
  ms === undefined ? NONE : formatPanelTime(ms);

/** What is kept about a tape takes so much, as text. */
export async function metadataBytes(catalog: Catalog, tape: TapeRow): Promise<number> {
  const kept = [
    tape,
    await catalog.listGenerations(tape.name),
    await catalog.listMounts({ tape: tape.name }),
  ];
  return JSON.stringify(kept).length;
}

/** Writes one item, with an event. Rejects INVALID_ARGUMENT, LIMIT_EXCEEDED, TAPE_LOCKED. */
export async function setMetadata(
  services: TapeServices,
  parameters: {
    readonly name: string;
    readonly item: MetadataItemName;
    readonly value: string;
  },
): Promise<readonly MetadataItem[]> {
  const { context } = services;
  const { name, item, value } = parameters;
  const { catalog, clock } = context.ports;
  await context.decisions.run(async () => {
    const tape = await tapeOf(context, name);
    await refuseLocked(catalog, tape, 'changed');
    // To write when it was updated is an update, too, and the operator's word counts.
    const changes = { updatedAtMs: clock.nowMs(), ...changesOf(tape, item, value.trim()) };
    const bytes = await metadataBytes(catalog, { ...tape, ...changes });
    // What makes it less may always be written.
    if (bytes > METADATA_BYTES_MAX && bytes > (await metadataBytes(catalog, tape))) {
      const what = `What is kept about tape ${name}`;
      const limit = `${METADATA_BYTES_MAX} bytes`;
      throw new CapstanError('LIMIT_EXCEEDED', { what, value: `${bytes} bytes`, limit });
    }
    await catalog.updateTape(name, changes);
  });
  const [written] = await showMetadata(services, { name, item });
  const fields = { tape: name, item, value: written?.value ?? NONE };
  await context.eventLog.log('METADATA_CHANGED', fields);
  return written === undefined ? [] : [written];
}

function changesOf(tape: TapeRow, item: MetadataItemName, value: string): TapeChanges {
  const entry: Item = METADATA_ITEMS[item];
  const refuse = (reason: string): never => {
    throw new CapstanError('INVALID_ARGUMENT', { what: `The metadata item ${item}`, reason });
  };
  const isNone = value.toLowerCase() === NONE;
  switch (entry.kind) {
    case 'time': {
      if (isNone && entry.required === true) return refuse('every tape has one');
      const atMs = isNone ? undefined : parsePanelTime(value);
      if (!isNone && atMs === undefined) return refuse('a time is DDMonYY HH:MM, as 02Mar05 14:41');
      return { [entry.field]: atMs };
    }
    case 'owner': {
      const owner = isNone ? '' : value;
      labelOf({ ...tape, owner, labelType: tape.labelType === 'ibm' ? 'ibm' : 'ansi' });
      return { owner };
    }
    case 'migrated-by':
      if (isNone) return { migratedBy: undefined };
      return value === 'vts' || value === 'other'
        ? { migratedBy: value }
        : refuse('it is vts, other or none');
    default:
      return refuse('it cannot be written: it is what the tape or its pool is');
  }
}
