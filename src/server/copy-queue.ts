/** A tape's copies, owed anew. */
import type { CopyRuleRow, TapeRow } from '../ports/catalog.ts';
import type { ServerContext } from './context.ts';

/** Has a tape copied wherever its pool is copied to, from the first attempt; the rules. */
export async function queueCopies(
  { ports: { catalog, clock } }: ServerContext,
  tape: TapeRow,
): Promise<readonly CopyRuleRow[]> {
  const rules = await catalog.listCopyRules(tape.pool);
  if (rules.length === 0) return rules;
  const jobs = (await catalog.listCopyJobs()).filter((job) => job.tape === tape.name);
  for (const { id: ruleId } of rules) {
    const atMs = clock.nowMs();
    await catalog.putCopyJob({
      tape: tape.name,
      ruleId,
      generation: tape.generation,
      state: 'due',
      attempts: 0,
      queuedAtMs: atMs,
      nextAttemptAtMs: atMs,
      copiedGeneration: jobs.find((job) => job.ruleId === ruleId)?.copiedGeneration,
      lastError: undefined,
      bytesSent: 0,
    });
  }
  return rules;
}
