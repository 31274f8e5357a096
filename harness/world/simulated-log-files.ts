/** A machine's log folder in memory: what was appended stays, whatever becomes of the process. */
import { CapstanError } from '../../src/base/errors.ts';
import type { LogFiles } from '../../src/ports/log-files.ts';
import type { Life } from './life.ts';

export class SimulatedLogFiles {
  /** Text by name. */
  readonly files = new Map<string, string>();
  /** The disk takes nothing more. */
  full = false;

  /** The folder as a process sees it in its life; `before` runs before each append, in the life. */
  port(life: Life, before: () => void = () => {}): LogFiles {
    return {
      append: (name, text) =>
        life.call(async () => {
          if (this.full) throw new CapstanError('NO_SPACE', { path: `/log/${name}` });
          before();
          if (!life.ended) this.files.set(name, (this.files.get(name) ?? '') + text);
        }),
      read: (name) => life.call(async () => this.files.get(name)),
    };
  }
}
