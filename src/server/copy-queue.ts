/** A tape's copies, owed anew. */
import type { CopyRuleRow, TapeRow } from '../ports/catalog.ts';
import type { ServerContext } from './context.ts';

/** Has a tape copied wherever its pool is copied to, or by those rules, from the first attempt; the rules. */
export async function queueCopies(
  { ports: { catalog, clock } }: ServerContext,
  tape: TapeRow,
  chosen?: readonly CopyRuleRow[],
): Promise<readonly CopyRuleRow[]> {
  const rules = chosen ?? (await catalog.listCopyRules(tape.pool));
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

/** Owes a copy of each tape of a vault that some rule of its pool has not copied as it is. */
export async function queueUncopied(context: ServerContext, vault: string): Promise<void> {
  const { catalog } = context.ports;
  const rules = await catalog.listCopyRules();
  if (rules.length === 0) return;
  const copied = new Set(
    (await catalog.listCopyJobs()).map(
      ({ tape, ruleId, copiedGeneration }) => `${tape} ${ruleId} ${copiedGeneration}`,
    ),
  );
  for (const tape of await catalog.listTapes()) {
    if (tape.vault !== vault || tape.generation === 0) continue;
    const isOwed = rules.some(
      ({ id, pool }) => pool === tape.pool && !copied.has(`${tape.name} ${id} ${tape.generation}`),
    );
    if (isOwed) await queueCopies(context, tape);
  }
}
