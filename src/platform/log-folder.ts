/** The log folder of a server: files that are appended to, each line durable when it is acknowledged. */
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { CapstanError } from '../base/errors.ts';
import { LOG_FILE_NAME_PATTERN, LOG_READ_BYTES_MAX } from '../ports/log-files.ts';
import type { LogFiles } from '../ports/log-files.ts';
import { codeOf, guard } from './disk-errors.ts';

/** `folder` is made with the first file. */
export function logFolder(folder: string): LogFiles {
  return {
    async append(name, text) {
      const path = pathOf(folder, name);
      await guard(path, async () => {
        await mkdir(folder, { recursive: true, mode: 0o750 });
        await using file = await open(path, 'a', 0o640);
        await file.appendFile(text);
        await file.sync();
        // A new file's name is durable with its folder only.
        await using parent = await open(folder, 'r');
        await parent.sync();
      });
    },
    async read(name) {
      const path = pathOf(folder, name);
      return guard(path, async () => {
        try {
          await using file = await open(path, 'r');
          const { size } = await file.stat();
          const start = Math.max(0, size - LOG_READ_BYTES_MAX);
          const buffer = new Uint8Array(size - start);
          const { bytesRead } = await file.read(buffer, 0, buffer.length, start);
          return new TextDecoder().decode(buffer.subarray(0, bytesRead));
        } catch (error) {
          if (codeOf(error) === 'ENOENT') return undefined;
          throw error;
        }
      });
    },
  };
}

/** Throws NAME_INVALID. */
export function pathOf(folder: string, name: string): string {
  if (LOG_FILE_NAME_PATTERN.test(name)) return join(folder, name);
  throw new CapstanError('NAME_INVALID', {
    kind: 'log file',
    name: JSON.stringify(name.slice(0, 40)),
    pattern: LOG_FILE_NAME_PATTERN.source,
  });
}
