/**
 * Goal: of a shared vault each tape has one writer, nothing that was acknowledged is lost, and both servers agree,
 * whatever becomes of either server, of the line between them, and of the lock of the store.
 *
 * Method: fast-check draws faults and up to 60 commands; two production servers on one simulated disk live through them
 * in simulated time (docs/internals/simulation.md). Each planted bug must be found.
 */
import { SHARED_VAULT } from '../../harness/scenarios/shared-vault.ts';
import { describeScenario } from './scenario-suite.ts';

describeScenario(SHARED_VAULT, { seed: 20_261_121, runs: 150, mutantRuns: 200 });
