/** The catalog's part for copies to other servers; contract as in catalog.ts. */
import type { Generation } from '../base/units.ts';
import type { CopyRuleRow, GenerationRow } from './catalog.ts';

export interface CopiesCatalog {
  /** One of listGenerations. */
  findGeneration(tape: string, generation: Generation): Promise<GenerationRow | undefined>;
  /** The rule as it is then. NOT_FOUND. */
  setCopyRuleBandwidth(id: number, bytesPerSecond: number | undefined): Promise<CopyRuleRow>;
}
