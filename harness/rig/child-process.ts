/** Child processes of rigs and campaigns: none outlives whoever started it. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** Kills the child where this process ends before it. */
export function killAtExit(child: ChildProcess): void {
  const onExit = (): boolean => child.kill('SIGKILL');
  process.once('exit', onExit);
  child.once('close', () => process.off('exit', onExit));
}

/** Kills a child that still runs, and waits for its end. */
export async function killChild(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
}
