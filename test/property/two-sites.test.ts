/**
 * Goal: a script of AutoCopy, crashes, commands and Instant DR has one sequence of events and of words with the
 * host, however slow the disks of the simulated world are; test/rig/real-mode.test.ts compares it with that
 * of real processes.
 *
 * Method: each case plays the script and is compared with a plain play (harness/checker/sequences.ts). Each
 * planted bug must make a difference.
 */
import { TWO_SITES_SCENARIO } from '../../harness/scenarios/two-sites.ts';
import { describeScenario } from './scenario-suite.ts';

describeScenario(TWO_SITES_SCENARIO, { seed: 20_261_121, runs: 6, mutantRuns: 1 });
