/**
 * Goal: whatever is done with tapes, vaults and pools, and whenever the power fails meanwhile, the catalog
 * and the vaults say the same, and say what a model of a few lines says.
 * Method: commands on a server with two vaults on one simulated disk; some are killed in a call of a port
 * and followed by a power cut, after which the state must be that before the command or that after it.
 */
import { MEDIA } from '../../harness/scenarios/media.ts';
import { describeScenario } from './scenario-suite.ts';

describeScenario(MEDIA, { seed: 20_261_121, runs: 150, mutantRuns: 200 });
