/**
 * Goal: a host's mount request is answered once, with what it asked for, whatever fails between host and
 * server and whoever interferes; and none that is open stays open for ever. Method: fast-check draws a
 * profile and up to 60 commands; a production server and a simulated NonStop live through them in
 * simulated time (harness/workload/mount-scenario.ts). Each planted bug must be found.
 */
import { MOUNTS } from '../../harness/scenarios/mounts.ts';
import { describeScenario } from './scenario-suite.ts';

describeScenario(MOUNTS, { seed: 20_261_121, runs: 250, mutantRuns: 300 });
