/**
 * The scenario with a script: the same play in the simulated world and, by `capstan sim real`, with child processes.
 * However slow disks are, it has the same sequences.
 */
import fc from 'fast-check';
import { differencesOf, sequencesOf } from '../checker/sequences.ts';
import type { Sequence } from '../checker/sequences.ts';
import { hold } from '../checker/violation.ts';
import { TWO_SITES_MUTANTS } from '../mutants/two-sites-mutants.ts';
import { SimulatedStage } from '../workload/simulated-stage.ts';
import { playTwoSites } from '../workload/two-sites.ts';
import type { NewVault } from '../world/simulated-vault.ts';
import type { World } from '../world/world.ts';
import type { Mutant } from '../mutants/mutant.ts';
import type { CaseProfile } from './scenario.ts';
import { defineScenario } from './scenario.ts';

export interface TwoSitesProfile extends CaseProfile {
  /** In each act the first sync of either server takes up to so long. */
  readonly slowSyncMsMax: number;
}

interface PlayOptions {
  readonly newVault: NewVault;
  readonly profile: TwoSitesProfile;
  readonly sabotage?: Mutant['sabotage'];
  /** Of both machines. */
  readonly user?: string;
}

/** Nothing takes longer than it has to. */
export const PLAIN: TwoSitesProfile = { worldSeed: 1, slowSyncMsMax: 0 };
const SLOW_SYNC_MS_MAX = 5000;

/** The script in the simulated world. */
export class TwoSitesCase {
  /** There are no commands but the script. */
  readonly executed: string[] = [];
  readonly newVault: NewVault;
  readonly #stage: SimulatedStage;
  readonly #profile: TwoSitesProfile;

  constructor({ newVault, profile, sabotage, user = 'operator' }: PlayOptions) {
    this.newVault = newVault;
    this.#profile = profile;
    this.#stage = new SimulatedStage({
      newVault,
      worldSeed: profile.worldSeed,
      user,
      sabotage,
    });
  }

  get world(): World {
    return this.#stage.world;
  }

  /** Plays it to its end. */
  async play(): Promise<readonly Sequence[]> {
    const recording = await playTwoSites(this.#stage, (act) => this.#begin(act));
    await this.check();
    for (const { name, engine } of Object.values(this.#stage.servers)) {
      const damages = (await engine?.verify({}))?.damages ?? [];
      hold(damages.length === 0, () => `${name} is damaged: ${damages[0]?.place}`);
    }
    return sequencesOf(recording);
  }

  #begin(act: string): void {
    this.world.trace.record(`> ${act}`);
    const { slowSyncMsMax } = this.#profile;
    for (const server of Object.values(this.#stage.servers)) {
      server.slowDown(this.world.random.below(slowSyncMsMax + 1));
    }
  }

  async check(): Promise<void> {
    for (const { name, faults } of Object.values(this.#stage.servers)) {
      hold(faults.length === 0, () => `${name} has a fault of its own: ${faults[0]}`);
    }
  }
}

/** What a play without faults has, over the same kind of disk. */
const references = new WeakMap<NewVault, Promise<readonly Sequence[]>>();

async function finish(played: TwoSitesCase): Promise<void> {
  const { newVault } = played;
  const sequences = await played.play();
  const reference =
    references.get(newVault) ?? new TwoSitesCase({ newVault, profile: PLAIN }).play();
  references.set(newVault, reference);
  const differences = differencesOf(
    { name: 'plain', sequences: await reference },
    { name: 'this', sequences },
  );
  hold(differences.length === 0, () => `the sequences are others: ${differences.join('\n')}`);
}

export const TWO_SITES_SCENARIO = defineScenario<TwoSitesProfile, TwoSitesCase>({
  name: 'two-sites',
  what: 'A script of AutoCopy, crashes, commands and Instant DR has one sequence of events, also with real processes (capstan sim real).',
  runsDefault: 20,
  profile: fc.record({
    worldSeed: fc.nat(),
    slowSyncMsMax: fc.integer({ min: 1, max: SLOW_SYNC_MS_MAX }),
  }),
  commands: [],
  commandCountMax: 0,
  start: (options) => Promise.resolve(new TwoSitesCase(options)),
  finish,
  mutants: TWO_SITES_MUTANTS,
});
