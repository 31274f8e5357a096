/**
 * Goal: a site that is lost in the middle of a run loses nothing that was told to be copied; the other takes over and
 * works; the way home is refused exactly where both sides wrote a tape, and ends with every tape in step.
 *
 * Method: fast-check draws what is lost, to the millisecond, and what hosts and operators do before and after; see
 * harness/workload/disaster.ts.
 */
import { DISASTER } from '../../harness/scenarios/disaster.ts';
import { describeScenario } from './scenario-suite.ts';

describeScenario(DISASTER, { seed: 20_261_121, runs: 40, mutantRuns: 40 });
