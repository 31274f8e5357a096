/**
 * Goal: a copy over several streams keeps every promise whichever of them fails, and however: it is whole or not
 * there, descends from what it replaces, leaves what a host has alone, and nobody waits longer than the limits.
 * Method: fast-check draws up to 40 commands; two production servers live through them in simulated time
 * (harness/workload/bad-line.ts). Each planted bug must be found.
 */
import { BAD_LINE } from '../../harness/scenarios/bad-line.ts';
import { describeScenario } from './scenario-suite.ts';

describeScenario(BAD_LINE, { seed: 20_261_121, runs: 150, mutantRuns: 400 });
