/** How far a long operation is, on standard error of a terminal. */
import { Presets, SingleBar } from 'cli-progress';
import type { ServerEvent } from '../server/context.ts';
import { formatNumberOf, formatSize } from './text.ts';

export interface ProgressDisplay {
  readonly show: (event: ServerEvent) => void;
  readonly stop: () => void;
}

/** What is shown of an event, and how much of how much that is where it is known. */
export function progressText(
  event: ServerEvent,
): { readonly text: string; readonly done?: number; readonly total?: number } | undefined {
  if (event.kind === 'verify-progress') {
    const { doneBytes: done, totalBytes: total } = event;
    return { text: `${formatSize(done)} of ${formatSize(total)} read`, done, total };
  }
  if (event.kind !== 'collect-progress') return undefined;
  const packs = formatNumberOf(event.packsRemoved, 'pack');
  const copied = formatSize(event.copiedBytes);
  return { text: `${packs} given up, ${formatSize(event.freedBytes)} freed, ${copied} copied` };
}

export function progressDisplay(): ProgressDisplay {
  let bar: SingleBar | undefined;
  return {
    show: (event) => {
      const progress = progressText(event);
      if (progress === undefined) return;
      const { text, done = 0, total } = progress;
      if (bar === undefined) {
        const format = total === undefined ? '{text}' : '[{bar}] {text}';
        const shape = { format, barsize: 24, hideCursor: true, clearOnComplete: true, fps: 10 };
        bar = new SingleBar(shape, Presets.rect);
        bar.start(Math.max(total ?? 1, 1), done, { text });
      }
      bar.setTotal(Math.max(total ?? 1, 1));
      bar.update(done, { text });
    },
    stop: () => {
      bar?.stop();
      bar = undefined;
    },
  };
}
