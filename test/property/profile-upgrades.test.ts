/**
 * Goal: a server that becomes another version has its tapes, rules, users and rights as they were.
 *
 * Method: fast-check draws what hosts and operators do and when the version changes; see
 * harness/workload/profile-upgrades.ts.
 */
import { PROFILE_UPGRADES } from '../../harness/scenarios/profile-upgrades.ts';
import { describeScenario } from './scenario-suite.ts';

describeScenario(PROFILE_UPGRADES, { seed: 20_261_121, runs: 20, mutantRuns: 40 });
