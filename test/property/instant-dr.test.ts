/**
 * Goal: Instant DR keeps its promises whatever fails: nothing that a host wrote on either side is replaced
 * but by what comes from it; runs come when the schedule says, one at a time, and are honest; roles are
 * swapped with no tape lost and never doubled; at the end both sides are in step.
 *
 * Method: fast-check draws schedules and up to 40 commands; two production servers live through them in
 * simulated time (docs/internals/simulation.md). Each planted bug must be found.
 */
import { INSTANT_DR } from '../../harness/scenarios/instant-dr.ts';
import { describeScenario } from './scenario-suite.ts';

describeScenario(INSTANT_DR, { seed: 20_261_121, runs: 150, mutantRuns: 300 });
