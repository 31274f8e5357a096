/**
 * A process that opens stores for the campaign and ends, so that it holds no file of theirs any more:
 * takes a Task as JSON, prints a TaskResult.
 */
import { text } from 'node:stream/consumers';
import { fillDisk, freeDisk } from './full-disk.ts';
import type { FullDiskTask } from './full-disk.ts';
import { Journal } from './journal.ts';
import type { SavedJournal } from './journal.ts';
import { checkStore } from './store-check.ts';
import type { StoreKind } from './store-kind.ts';

export type Task =
  | {
      readonly kind: 'check';
      readonly folder: string;
      readonly store: StoreKind;
      readonly journal: SavedJournal;
    }
  | { readonly kind: 'fill'; readonly disk: FullDiskTask }
  | { readonly kind: 'free'; readonly disk: FullDiskTask; readonly journal: SavedJournal };

export interface TaskResult {
  readonly failure?: string;
  /** As the store was found. */
  readonly journal?: SavedJournal;
}

async function resultOf(task: Task): Promise<TaskResult> {
  try {
    if (task.kind === 'fill') return { journal: (await fillDisk(task.disk)).saved() };
    const journal = Journal.from(task.journal);
    if (task.kind === 'free') await freeDisk(task.disk, journal);
    else await checkStore(task.folder, task.store, journal);
    return { journal: journal.saved() };
  } catch (error) {
    return { failure: (error as Error).stack ?? String(error) };
  }
}

const task = JSON.parse(await text(process.stdin)) as Task;
console.log(JSON.stringify(await resultOf(task)));
