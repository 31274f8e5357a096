/** The simulated world as a stage for a scripted scenario. */
import { MINUTE_MS, SECOND_MS } from '../../src/base/units.ts';
import type { CopyTarget } from '../../src/ports/catalog.ts';
import { localPrincipal } from '../../src/server/access.ts';
import { LANE_POLICY } from '../../src/replication/lanes.ts';
import { hold } from '../checker/violation.ts';
import { HostLine } from '../hosts/host-line.ts';
import { NonStopHost } from '../hosts/nonstop-host.ts';
import { Life } from '../world/life.ts';
import { SimulatedServer } from '../world/simulated-server.ts';
import type { Sabotage } from '../world/simulated-server.ts';
import type { NewVault } from '../world/simulated-vault.ts';
import { World } from '../world/world.ts';
import type { Side } from './dr-sides.ts';
import { TWO_SITES } from './two-sites.ts';
import type { Stage } from './two-sites.ts';

const ADDRESSES: Readonly<Record<Side, string>> = { east: '10.0.0.1', west: '10.0.0.2' };
const HOST_ENDPOINT = { address: '10.0.0.9', port: 23 };
const REPLICATION_PORT = 2201;
const ANSWER_LIMIT_MS = 120 * MINUTE_MS;
const POLL_MS = SECOND_MS;

export interface SimulatedStageOptions {
  readonly newVault: NewVault;
  readonly worldSeed: number;
  /** Of the machines. */
  readonly user: string;
  readonly sabotage?: Readonly<Partial<Record<Side, Sabotage>>> | undefined;
}

export class SimulatedStage implements Stage {
  readonly world: World;
  readonly host: NonStopHost;
  readonly line: HostLine;
  readonly servers: Readonly<Record<Side, SimulatedServer>>;
  readonly #user: string;

  constructor({ newVault, worldSeed, user, sabotage }: SimulatedStageOptions) {
    const world = new World(worldSeed);
    const { node, user: hostUser, password, drive, device } = TWO_SITES;
    this.world = world;
    this.#user = user;
    const make = (side: Side, seed: number): SimulatedServer => {
      const faults = sabotage?.[side];
      const host = { host: node, endpoint: HOST_ENDPOINT, user: hostUser, password };
      return new SimulatedServer(world, {
        settings: {
          // Frames as real servers send them: bytes are compared.
          copyPolicy: { lanes: LANE_POLICY },
          serverName: side,
          systemId: 'CAPSTAN',
          address: ADDRESSES[side],
          hosts: side === 'east' ? [{ ...host, parameters: { keepAliveMs: 0 } }] : [],
        },
        // Nothing cuts the power: there are no leftovers.
        vault: newVault({ seed, leftovers: 'ordered' }),
        replicationPorts: [REPLICATION_PORT],
        keepAlive: true,
        ...(faults !== undefined && { sabotage: faults }),
      });
    };
    this.servers = { east: make('east', worldSeed), west: make('west', worldSeed + 1) };
    this.line = new HostLine(world.network.port(HOST_ENDPOINT.address, new Life()));
    this.host = new NonStopHost({
      node,
      clock: world.clock,
      network: this.line,
      devices: new Map([[device, this.servers.east.transport(drive)]]),
      user: hostUser,
      password,
    });
  }

  async call(side: Side, operation: string, parameters: object): Promise<unknown> {
    const { operations } = this.servers[side].server;
    return this.finish(operations.callAs(localPrincipal(this.#user), operation, parameters));
  }

  finish<Value>(work: Promise<Value>): Promise<Value> {
    return this.world.finish(work, ANSWER_LIMIT_MS);
  }

  pause(durationMs: number): Promise<void> {
    return this.world.advance(durationMs);
  }

  async until(what: string, condition: () => Promise<boolean>): Promise<void> {
    for (let waitedMs = 0; !(await condition()); waitedMs += POLL_MS) {
      hold(waitedMs < ANSWER_LIMIT_MS, () => `there never is ${what}`);
      await this.world.advance(POLL_MS);
    }
  }

  async kill(side: Side): Promise<void> {
    await this.setDoor(side, 'shut');
    this.servers[side].crash('kill');
  }

  async start(side: Side): Promise<void> {
    const server = this.servers[side];
    if ((await server.catalog.listVaults()).length === 0) {
      const createdAtMs = this.world.clock.nowMs();
      await server.catalog.createVault({ name: TWO_SITES.vault, path: '/vault00', createdAtMs });
    }
    await this.setDoor(side, 'shut');
    await this.finish(server.start());
  }

  /** There is one line between the two: it is there while both doors are open. */
  setDoor(_side: Side, state: 'open' | 'shut'): Promise<void> {
    const wire = this.world.network.wire(ADDRESSES.east, ADDRESSES.west);
    if (state === 'open') wire.heal();
    else wire.takeDown();
    return Promise.resolve();
  }

  async openHost(): Promise<void> {
    await this.finish(this.host.listen(HOST_ENDPOINT));
  }

  target(side: Side): CopyTarget {
    return {
      server: side,
      address: ADDRESSES[side],
      port: REPLICATION_PORT,
      user: 'capstan',
      hostKey: 'SHA256:simulated',
      transport: 'openssh',
    };
  }
}
