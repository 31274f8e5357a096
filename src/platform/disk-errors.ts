/** Errors of the system's calls on files, as the errors that users read. */
import { CapstanError, isCapstanError } from '../base/errors.ts';

const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

/** Runs what touches `path`, with the system's errors as DISK_IO and NO_SPACE. */
export async function guard<Value>(path: string, work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    throw asDiskError(path, error);
  }
}

/** What is no error of the system or of a packed file stays as it is. */
export function asDiskError(path: string, cause: unknown): unknown {
  const code = codeOf(cause);
  if (code === undefined || isCapstanError(cause) || code.startsWith('ERR_')) return cause;
  return FULL.has(code)
    ? new CapstanError('NO_SPACE', { path }, { cause })
    : new CapstanError('DISK_IO', { place: path, what: code }, { cause });
}

export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
