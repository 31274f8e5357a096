/**
 * Goal: a year of Instant DR by the wall clock of any zone: each time of each day starts one run, over both changes
 * of the clocks and with failing lines and servers, and what a run calls copied is on the target.
 *
 * Method: years are drawn and lived through in simulated time, against an oracle that asks the zone's wall clock
 * alone (harness/workload/dr-year.ts). A year takes seconds, so the planted bugs are searched for without shrinking.
 */
import { DR_YEAR } from '../../harness/scenarios/dr-year.ts';
import { describeScenario } from './scenario-suite.ts';

describeScenario(DR_YEAR, { seed: 20_261_121, runs: 2, mutantRuns: 4 });
