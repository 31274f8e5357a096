/**
 * Goal: a licence counts as long as it says, on the server that it says, wherever the clock stands and whatever
 * crashes; no forged one does, and the end of each is told once. Method: fast-check draws up to 30 commands; a
 * production server lives through them in simulated time (harness/workload/licence-world.ts). Each planted bug
 * must be found.
 */
import { LICENCES } from '../../harness/scenarios/licences.ts';
import { describeScenario } from './scenario-suite.ts';

describeScenario(LICENCES, { seed: 20_261_121, runs: 300, mutantRuns: 200 });
