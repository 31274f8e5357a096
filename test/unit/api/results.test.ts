/** Rows of the catalog are what the API's description says: the compiler compares, the test counts. */
import { expect, it } from 'vitest';
import type { z } from 'zod';
import { ROWS } from '../../../src/api/results.ts';
import type {
  VaultRow,
  PoolRow,
  TapeRow,
  GenerationRow,
  DriveRow,
  MountRow,
  MountRequestRow,
  CopyRuleRow,
  EventRow,
} from '../../../src/ports/catalog.ts';
import type { CollectReport, StoreStatistics, VerifyReport } from '../../../src/ports/engine.ts';

interface Types {
  readonly vault: VaultRow;
  readonly pool: PoolRow;
  readonly tape: TapeRow;
  readonly generation: GenerationRow;
  readonly drive: DriveRow;
  readonly mount: MountRow;
  readonly request: MountRequestRow;
  readonly rule: CopyRuleRow;
  readonly event: EventRow;
  readonly statistics: StoreStatistics;
  readonly collected: CollectReport;
  readonly verified: VerifyReport;
}

/** Does not compile where a value of the type does not fit the schema. */
const AS_DESCRIBED: {
  readonly [Kind in keyof typeof ROWS]: (row: Types[Kind]) => z.infer<(typeof ROWS)[Kind]>;
} = {
  vault: (row) => row,
  pool: (row) => row,
  tape: (row) => row,
  generation: (row) => row,
  drive: (row) => row,
  mount: (row) => row,
  request: (row) => row,
  rule: (row) => row,
  event: (row) => row,
  statistics: (row) => row,
  collected: (row) => row,
  verified: (row) => row,
};

it('every kind of row is described', () => {
  expect(Object.keys(AS_DESCRIBED).toSorted()).toEqual(Object.keys(ROWS).toSorted());
});
