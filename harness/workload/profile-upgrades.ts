/**
 * `profile-upgrades`: a server lives through the versions of the product, 6.04.01 to 8.3, one life after another.
 *
 * In each life hosts write, operators make, lock and erase tapes, users come, are given rights and go, the rule's
 * limit changes. Between two lives the server is stopped in order or loses its power, and starts as the next version.
 * What must hold: what is administered (pools, tapes, drives, rules, users with their rights, locks, open or closed
 * access) is after each start what it was before; every whole backup restores, whichever version wrote it; and the
 * server says which version it is.
 */
import fc from 'fast-check';
import { MINUTE_MS, SECOND_MS } from '../../src/base/units.ts';
import { PROFILE_NAMES } from '../../src/server/profiles.ts';
import type { ProfileName } from '../../src/server/profiles.ts';
import { hold } from '../checker/violation.ts';
import type { StartOptions } from '../scenarios/scenario.ts';
import { CentreScenario } from './centre-scenario.ts';
import { count, flag, formsFor, oneOf } from './command-form.ts';
import type { DrawnCommand } from './command-form.ts';
import { ANSWER_LIMIT_MS, POOL, tapeName } from './data-centre.ts';
import { COMMON_PROFILE } from './fault-profile.ts';
import type { CommonProfile } from './fault-profile.ts';

const TAPES = 4;
const SETTLING_MS = 10 * SECOND_MS;
const DRAIN_MS = 61 * MINUTE_MS;
const USERS = ['anna', 'bert'] as const;
const GROUPS = ['Supervisor', 'Administration', 'Operation'] as const;
/** What is administered, by the queries that show it. */
const QUERIES = [
  'vault.list',
  'pool.list',
  'tape.list',
  'drive.list',
  'lock.list',
  'autocopy.list',
  'user.list',
  'access.show',
] as const;

export const upgradesProfile: fc.Arbitrary<CommonProfile> = fc.record(COMMON_PROFILE);

export class ProfileUpgrades extends CentreScenario {
  version: ProfileName = PROFILE_NAMES[0];
  #jobCount = 0;

  constructor(options: StartOptions<CommonProfile>) {
    super(options, {
      drives: [1],
      tapes: { count: TAPES, capacityBytes: 64_000 },
      west: true,
      settings: { profile: PROFILE_NAMES[0] },
    });
  }

  /** The version after this one. */
  get next(): ProfileName | undefined {
    return PROFILE_NAMES[PROFILE_NAMES.indexOf(this.version) + 1];
  }

  async backup(tape: number, blockCount: number): Promise<void> {
    this.#jobCount += 1;
    const volumes = [0, 1, 2].map((index) => tapeName((tape + index) % TAPES));
    const plan = { file: `JOB${this.#jobCount}`, volumes, blockCount, blockBytes: 1500 };
    const job = this.centre.host(0).backup({ ...plan, seed: this.#jobCount });
    const { state, reason } = await this.world.finish(job, 6 * 60 * MINUTE_MS);
    hold(state === 'done', () => `${plan.file} failed in ${this.version}: ${reason ?? ''}`);
    await this.world.advance(SETTLING_MS);
  }

  /** What may make no sense just now, as a user who is there already. */
  async administer(name: string, parameters: object): Promise<void> {
    await this.centre.ask(name, parameters);
    if (name === 'tape.erase')
      await this.centre.adoptContent((parameters as { name: string }).name);
  }

  async #administered(): Promise<ReadonlyMap<string, string>> {
    const shown = new Map<string, string>();
    for (const query of QUERIES) {
      shown.set(query, JSON.stringify(await this.centre.call(query, {})));
    }
    return shown;
  }

  /** The server becomes another version; stopped in order, or not. */
  async upgrade(version: ProfileName, powerCut: boolean): Promise<void> {
    const { centre, world } = this;
    const { east } = centre;
    await world.advance(SETTLING_MS);
    const before = await this.#administered();
    if (powerCut) east.crash('power-cut');
    else await world.finish(east.stop(), ANSWER_LIMIT_MS);
    east.settings = { ...east.settings, profile: version };
    this.version = version;
    await centre.startServer(east);
    await world.advance(SETTLING_MS);
    const status = (await centre.call('server.status', {})) as { readonly profile: string };
    hold(status.profile === version, () => `the server says it is ${status.profile}`);
    const after = await this.#administered();
    for (const [query, shown] of before) {
      hold(
        after.get(query) === shown,
        () => `${query} was ${shown} before ${version}, and is ${after.get(query)}`,
      );
    }
  }

  async finish(): Promise<void> {
    const { centre, world } = this;
    world.trace.record('> the versions that are left');
    for (const name of centre.tapes.keys()) await this.administer('tape.unlock', { name });
    await this.backup(0, 40);
    while (this.next !== undefined) {
      await this.upgrade(this.next, false);
      for (const backup of centre.wholeBackups()) await centre.checkRestore(backup);
      await world.advance(MINUTE_MS);
    }
    await world.advance(DRAIN_MS);
    await this.check();
    await centre.checkInStep();
    await centre.checkStores();
  }

  /** What is there at the end, for people. */
  report(): readonly string[] {
    return [
      `${this.#jobCount} jobs, the server is ${this.version}`,
      ...[...this.centre.tapes.values()].map(
        ({ model }) => `${model.name} ${model.latest?.generation ?? 0}`,
      ),
    ];
  }
}

const form = formsFor<ProfileUpgrades>();

const upgrade = form('upgrade({powerCut})', {
  fields: { powerCut: flag('power cut') },
  possible: ({ next }) => next !== undefined,
  perform: (scenario, { powerCut }) =>
    scenario.upgrade(scenario.next ?? scenario.version, powerCut),
});
const restart = form('restart({powerCut})', {
  fields: { powerCut: flag('power cut') },
  perform: (scenario, { powerCut }) => scenario.upgrade(scenario.version, powerCut),
});
const backup = form('backup(from tape {tape}, {blocks} blocks)', {
  fields: { tape: count, blocks: count },
  perform: (scenario, { tape, blocks }) => scenario.backup(tape, blocks),
});
const create = form('create({index})', {
  fields: { index: count },
  perform: (scenario, { index }) =>
    scenario.administer('tape.create', { name: `NEW${index}`, pool: POOL }),
});
const lock = form('{what}({tape})', {
  fields: { what: oneOf('lock', 'unlock'), tape: count },
  perform: (scenario, { what, tape }) =>
    scenario.administer(`tape.${what}`, { name: tapeName(tape), kind: 'autoload' }),
});
const erase = form('erase({tape})', {
  fields: { tape: count },
  perform: (scenario, { tape }) => scenario.administer('tape.erase', { name: tapeName(tape) }),
});
const user = form('user({name}, {group})', {
  fields: { name: oneOf(...USERS), group: oneOf(...GROUPS) },
  perform: async (scenario, { name, group }) => {
    await scenario.administer('user.create', { name, group });
    await scenario.administer('user.set', { name, group });
  },
});
const right = form('{what}({name}, erase cartridges)', {
  fields: { what: oneOf('grant', 'revoke'), name: oneOf(...USERS) },
  perform: (scenario, { what, name }) =>
    scenario.administer(`user.${what}`, { name, right: 'erase-cartridges' }),
});
const limit = form('limit({kilobytes} KB a second)', {
  fields: { kilobytes: count },
  perform: (scenario, { kilobytes }) =>
    scenario.administer('autocopy.change', { id: 1, bytesPerSecond: kilobytes * 1000 }),
});

const powerCut = { powerCut: fc.boolean() };
const tape = fc.nat({ max: TAPES - 1 });
const name = fc.constantFrom(...USERS);

/** With their weights. */
export const UPGRADES_COMMANDS: readonly DrawnCommand<ProfileUpgrades>[] = [
  upgrade.drawn(powerCut, 2),
  restart.drawn(powerCut),
  backup.drawn({ tape, blocks: fc.integer({ min: 1, max: 60 }) }, 3),
  create.drawn({ index: fc.nat({ max: 3 }) }),
  lock.drawn({ what: fc.constantFrom('lock', 'unlock'), tape }),
  erase.drawn({ tape }),
  user.drawn({ name, group: fc.constantFrom(...GROUPS) }, 2),
  right.drawn({ what: fc.constantFrom('grant', 'revoke'), name }, 2),
  limit.drawn({ kilobytes: fc.constantFrom(100, 5000) }),
];
