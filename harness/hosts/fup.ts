/** FUP as far as a tape server meets it: text files, and COPY of one to the collector. */
import type { EmsCollector } from './ems-collector.ts';

/** `$SYSTEM.TAPE.POLICY`, volume and subvolume optional. */
const FILE_PATTERN = /^(?:\$[A-Z][A-Z0-9]{0,6}\.)?(?:[A-Z][A-Z0-9]{0,7}\.)?[A-Z][A-Z0-9]{0,7}$/;

/** The host's text files (EDIT files) by name. */
export class GuardianFiles {
  readonly #files = new Map<string, readonly string[]>();

  /** Names are not case-sensitive. */
  put(name: string, lines: readonly string[]): void {
    this.#files.set(name.toUpperCase(), lines);
  }

  get(name: string): readonly string[] | undefined {
    return this.#files.get(name.toUpperCase());
  }
}

/** `FUP COPY file, $0`; the lines that FUP prints. */
export function fupCopy(
  files: GuardianFiles,
  file: string,
  to: string,
  collector: EmsCollector,
): readonly string[] {
  if (!FILE_PATTERN.test(file.toUpperCase())) return [`*ERROR* Invalid file name: ${file}`];
  const lines = files.get(file);
  if (lines === undefined) return [`*ERROR* ${file.toUpperCase()}: file not found (11)`];
  if (to !== '$0') return [`*ERROR* ${to}: not supported here`];
  for (const line of lines) collector.write('$FUP', line);
  return [`${lines.length} RECORDS TRANSFERRED`];
}
