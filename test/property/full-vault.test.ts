/**
 * Goal: a disk that fills up in the middle of backups and copies costs what does not fit, and nothing else: hosts and
 * operators are told, what was acknowledged stays, and with room everything goes on.
 *
 * Method: fast-check draws the disks' sizes, jobs, erasures and power cuts; see harness/workload/full-vault.ts.
 */
import { FULL_VAULT } from '../../harness/scenarios/full-vault.ts';
import { describeScenario } from './scenario-suite.ts';

describeScenario(FULL_VAULT, { seed: 20_261_121, runs: 30, mutantRuns: 40 });
