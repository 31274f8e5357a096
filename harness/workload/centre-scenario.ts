/**
 * What every scenario over a data centre has: its profile, its centre and world, what was done, and a start.
 * A scenario adds its commands, what it knows beside the centre, its own invariants and its finale.
 */
import type { StartOptions } from '../scenarios/scenario.ts';
import type { World } from '../world/world.ts';
import { DataCentre } from './data-centre.ts';
import type { CentrePlan } from './data-centre.ts';
import type { CommonProfile } from './fault-profile.ts';

export abstract class CentreScenario<Profile extends CommonProfile = CommonProfile> {
  readonly profile: Profile;
  readonly centre: DataCentre;
  /** The commands that ran, as texts. */
  readonly executed: string[] = [];

  constructor(options: StartOptions<Profile>, plan: Omit<CentrePlan, keyof StartOptions<Profile>>) {
    this.profile = options.profile;
    this.centre = new DataCentre({ ...options, ...plan });
  }

  /** One that is ready for its first command. */
  static async start<Profile extends CommonProfile, Scenario extends CentreScenario<Profile>>(
    this: new (options: StartOptions<Profile>) => Scenario,
    options: StartOptions<Profile>,
  ): Promise<Scenario> {
    const scenario = new this(options);
    await scenario.setUp();
    return scenario;
  }

  get world(): World {
    return this.centre.world;
  }

  setUp(): Promise<void> {
    return this.centre.setUp();
  }

  /** Throws InvariantViolation where something does not hold that must at any time. */
  check(): Promise<void> {
    return this.centre.check();
  }
}
