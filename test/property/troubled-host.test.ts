/**
 * Goal: whatever happens to the hosts, each dismount of a tape with a ring is copied as AutoCopy promises.
 *
 * Method: fast-check draws jobs and what befalls the hosts meanwhile; see harness/workload/troubled-host.ts.
 */
import { TROUBLED_HOST } from '../../harness/scenarios/troubled-host.ts';
import { describeScenario } from './scenario-suite.ts';

describeScenario(TROUBLED_HOST, { seed: 20_261_121, runs: 60, mutantRuns: 60 });
