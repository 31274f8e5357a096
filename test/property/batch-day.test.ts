/**
 * Goal: a day of batch backups ends well whatever the line to the other site does: each job's file restores, each
 * copy keeps AutoCopy's rhythm, and in the end everything is in step.
 *
 * Method: fast-check draws hosts, drives, jobs and what happens to the line; see harness/workload/batch-day.ts.
 */
import { BATCH_DAY } from '../../harness/scenarios/batch-day.ts';
import { describeScenario } from './scenario-suite.ts';

describeScenario(BATCH_DAY, { seed: 20_261_121, runs: 25, mutantRuns: 40 });
