/**
 * Goal: whatever hosts send, users decide and machines do, no tape is erased that is locked, mounted or, by
 * Scan/Cleanup, not migrated; each erase was asked for, scheduled or authorized, and stands in the list once;
 * a command that FUP cut does nothing; what is due is done in the end.
 *
 * Method: fast-check draws a profile of faults and up to 60 commands; a production server and a host live
 * through them in simulated time (harness/workload/policy-*). Each planted bug must be found within its runs.
 */
import { POLICY } from '../../harness/scenarios/policy.ts';
import { describeScenario } from './scenario-suite.ts';

describeScenario(POLICY, { seed: 20_261_121, runs: 100, mutantRuns: 400 });
