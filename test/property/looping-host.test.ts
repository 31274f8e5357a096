/**
 * Goal: a host that has gone mad costs the server a bounded queue and the other hosts nothing.
 *
 * Method: fast-check draws what the mad host does and which jobs the others have; see
 * harness/workload/looping-host.ts.
 */
import { LOOPING_HOST } from '../../harness/scenarios/looping-host.ts';
import { describeScenario } from './scenario-suite.ts';

describeScenario(LOOPING_HOST, { seed: 20_261_121, runs: 40, mutantRuns: 60 });
