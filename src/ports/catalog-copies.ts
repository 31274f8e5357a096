/** The catalog's part for copies to other servers; contract as in catalog.ts. */
import type { Generation } from '../base/units.ts';
import type { CopyJobRow, CopyRuleRow, EventRow, GenerationRow, NewEvent } from './catalog.ts';

export interface CopiesCatalog {
  /** One of listGenerations. */
  findGeneration(tape: string, generation: Generation): Promise<GenerationRow | undefined>;
  /** The rule as it is then. NOT_FOUND. */
  setCopyRuleBandwidth(id: number, bytesPerSecond: number | undefined): Promise<CopyRuleRow>;

  createCopyRule(rule: Omit<CopyRuleRow, 'id'>): Promise<CopyRuleRow>;
  /** Removes its jobs with it. */
  deleteCopyRule(id: number): Promise<void>;
  listCopyRules(pool?: string): Promise<readonly CopyRuleRow[]>;

  listCopyJobs(): Promise<readonly CopyJobRow[]>;
  /** Replaces the job of the same tape and rule, and writes `event`, if any, in the same transaction; resolves with it. */
  putCopyJob(job: CopyJobRow, event?: NewEvent): Promise<EventRow | undefined>;
}
