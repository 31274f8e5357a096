/** Two servers, `east` and `west`, on one simulated disk that holds a shared vault. */
import { EmsCollector } from '../../../harness/hosts/ems-collector.ts';
import { serveTaclTerminal } from '../../../harness/hosts/tacl-terminal.ts';
import { Life } from '../../../harness/world/life.ts';
import { SharedDisk } from '../../../harness/world/shared-disk.ts';
import type { SharedView } from '../../../harness/world/shared-disk.ts';
import { SimulatedServer } from '../../../harness/world/simulated-server.ts';
import { newModelVault } from '../../../harness/world/simulated-vault.ts';
import type { Wire } from '../../../harness/world/simulated-wire.ts';
import { World } from '../../../harness/world/world.ts';
import { TapeOperations } from '../../../src/initiator/tape-operations.ts';
import { requestOf } from './requests.ts';

export const NODE = '\\LAB';
const ADDRESSES = { east: '10.0.0.1', west: '10.0.0.2' } as const;
const HOST = { address: '10.0.0.9', port: 23 };
const ANSWER_LIMIT_MS = 600_000;
export const FENCING_MS = 5_000;

export interface Site {
  readonly server: SimulatedServer;
  readonly view: SharedView;
}

export class SharedBench {
  readonly world = new World(1);
  readonly disk = new SharedDisk(newModelVault({ seed: 1, leftovers: 'any' }), {
    clock: this.world.clock,
    fencingMs: FENCING_MS,
  });
  readonly host = new EmsCollector(NODE, this.world.clock);
  readonly east = this.#site('east');
  readonly west = this.#site('west');

  #site(name: 'east' | 'west'): Site {
    const view = this.disk.view();
    const server = new SimulatedServer(this.world, {
      settings: {
        serverName: name,
        systemId: 'CAPSTAN',
        address: ADDRESSES[name],
        hosts: [{ host: NODE, endpoint: HOST, user: 'SUPER.TAPE', password: 'secret' }],
      },
      vault: view,
      replicationPorts: [2201],
      keepAlive: true,
    });
    return { server, view };
  }

  /** East keeps VAULT00 with pool POOL1 and tape LAB001; west is its guest. Each has two drives. */
  static async start(): Promise<SharedBench> {
    const bench = new SharedBench();
    const { east, west, world, host } = bench;
    await world.network.port(HOST.address, new Life()).listen(HOST, (stream) => {
      const account = { node: NODE, user: 'SUPER.TAPE', password: 'secret' };
      void serveTaclTerminal(stream, host, account, () => Promise.resolve([]));
    });
    for (const [name, site] of Object.entries({ east, west })) {
      await bench.finish(site.server.start());
      for (const [index, drive] of ['VTD00', 'VTD01'].entries()) {
        const device = `$${name.toUpperCase().slice(0, 4)}${index}`;
        await bench.call(site, 'drive.create', { name: drive, host: NODE, device });
      }
    }
    for (const [site, other] of [
      [east, 'west'],
      [west, 'east'],
    ] as const) {
      await bench.call(site, 'isc.add', peer(other));
    }
    const vault = { name: 'VAULT00', path: '/shared' };
    await bench.call(east, 'vault.create', { ...vault, shared: true });
    await bench.call(east, 'pool.create', { name: 'POOL1', vault: 'VAULT00' });
    await bench.call(east, 'tape.create', { name: 'LAB001', pool: 'POOL1' });
    await world.advance(1_000);
    await bench.call(west, 'vault.join', vault);
    await world.advance(5_000);
    return bench;
  }

  get wire(): Wire {
    return this.world.network.wire(ADDRESSES.east, ADDRESSES.west);
  }

  finish<Value>(promise: Promise<Value>): Promise<Value> {
    return this.world.finish(promise, ANSWER_LIMIT_MS);
  }

  call(site: Site, name: string, parameters: object = {}): Promise<unknown> {
    return this.finish(site.server.server.operations.call(name, parameters));
  }

  async drive(site: Site, name = 'VTD00'): Promise<TapeOperations> {
    const operations = new TapeOperations(site.server.transport(name));
    await this.finish(operations.awaitReady());
    return operations;
  }

  /** Mounts LAB001 with ring on a server, and writes a block of 100 times 1 behind what is on it. */
  async write(site: Site): Promise<TapeOperations> {
    await this.call(site, 'mount.create', { tape: 'LAB001', drive: 'VTD00', ring: true });
    const drive = await this.drive(site);
    await this.finish(drive.spaceToEndOfData());
    await this.finish(drive.writeBlock(new Uint8Array(100).fill(1)));
    return drive;
  }

  /** The vault's state as the server shows it. */
  async state(site: Site): Promise<string> {
    const rows = (await this.call(site, 'vault.list')) as readonly { readonly state: string }[];
    return rows[0]?.state ?? 'none';
  }

  /** The host asks for LAB001, on no device in particular where none is given; both servers hear it. */
  async request(requestNumber: number, on: { readonly device?: string } = {}): Promise<void> {
    this.host.logZsvr(requestOf('LAB001', requestNumber, on));
    await this.world.advance(2_000);
  }

  /** Servers that have a tape mounted, and those where a request waits. */
  async mountedAndWaiting(): Promise<readonly [string, string]> {
    const mounted: string[] = [];
    const waiting: string[] = [];
    for (const { server } of [this.east, this.west]) {
      if ((await server.catalog.listMounts({ open: true })).length > 0) mounted.push(server.name);
      if ((await server.catalog.listMountRequests()).length > 0) waiting.push(server.name);
    }
    return [mounted.join(' '), waiting.join(' ')];
  }

  /** The event log's texts of one message. */
  async log(site: Site, messageId: string): Promise<readonly string[]> {
    const rows = await site.server.catalog.listEvents({ limit: 1000 });
    return rows.filter((row) => row.messageId === messageId).map((row) => row.text);
  }
}

export function peer(server: 'east' | 'west'): object {
  return {
    server,
    address: ADDRESSES[server],
    port: 4022,
    user: 'capstan',
    hostKey: 'SHA256:simulated',
    transport: 'ssh2',
  };
}
