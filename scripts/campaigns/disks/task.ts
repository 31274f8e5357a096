/**
 * A process that opens stores for the campaign and ends, so that it holds no file of theirs any more:
 * takes a Task as JSON, prints a TaskResult.
 */
import { text } from 'node:stream/consumers';
import { fillDisk } from './full-disk.ts';
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
  | { readonly kind: 'fill'; readonly disk: FullDiskTask };

export interface TaskResult {
  readonly failure?: string;
  /** As the store was found. */
  readonly journal?: SavedJournal;
}

async function resultOf(task: Task): Promise<TaskResult> {
  try {
    if (task.kind === 'fill') {
      await fillDisk(task.disk);
      return {};
    }
    const journal = Journal.from(task.journal);
    await checkStore(task.folder, task.store, journal);
    return { journal: journal.saved() };
  } catch (error) {
    return { failure: (error as Error).stack ?? String(error) };
  }
}

const task = JSON.parse(await text(process.stdin)) as Task;
console.log(JSON.stringify(await resultOf(task)));
