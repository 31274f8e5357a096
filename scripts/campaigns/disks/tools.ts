/** The machine's tools that the campaign uses; where one cannot be had, a sentence says so. */
import { constants, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { $ } from 'zx';

/** Runs a command; its output where it succeeded, else an error with all it said. */
export async function run(...command: readonly string[]): Promise<string> {
  return (await $({ quiet: true })`${command}`).stdout;
}

export async function succeeds(...command: readonly string[]): Promise<boolean> {
  return (await $({ quiet: true, nothrow: true })`${command}`).exitCode === 0;
}

/** Why files of the folder do not open past the page cache; undefined where they do. */
export async function whyNotDirect(folder: string): Promise<string | undefined> {
  const path = join(folder, 'direct-probe');
  try {
    const { O_CREAT, O_DIRECT, O_RDWR } = constants;
    await (await open(path, O_CREAT | O_RDWR | O_DIRECT)).close();
    return undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EINVAL') return `${folder} refuses O_DIRECT`;
    throw error;
  } finally {
    await rm(path, { force: true });
  }
}

/** Why system calls cannot be made to fail here; undefined where they can. */
export async function whyNoStrace(): Promise<string | undefined> {
  if (!(await succeeds('which', 'strace'))) return 'the package strace is missing';
  const traced = await succeeds('strace', '-f', '-qq', '-e', 'trace=none', 'true');
  return traced ? undefined : 'strace may not trace here';
}
