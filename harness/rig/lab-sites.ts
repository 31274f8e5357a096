/**
 * The laboratory's machines: two servers with homes of their own, as `capstan serve` starts them, and a
 * NonStop host at each, all talking over TCP on loopback.
 *
 *   \LAB  ──EMS, SCSI──▶ east ──SSH──▶ west ◀──EMS, SCSI──  \WEST
 */
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assert } from '../../src/base/assert.ts';
import { CapstanError } from '../../src/base/errors.ts';
import { SECOND_MS } from '../../src/base/units.ts';
import { createHome, FIRST_VAULT } from '../../src/cli/create-home.ts';
import type { CreatedHome } from '../../src/cli/create-home.ts';
import { homePaths } from '../../src/cli/home.ts';
import type { ConfigurationFile } from '../../src/cli/configuration.ts';
import { startServer } from '../../src/cli/serve.ts';
import type { RunningServer } from '../../src/cli/serve.ts';
import { systemClock } from '../../src/platform/system-clock.ts';
import { tcpNetwork } from '../../src/platform/tcp-network.ts';
import type { CopyTarget } from '../../src/ports/catalog.ts';
import type { Listener } from '../../src/ports/network.ts';
import type { ScsiCommand, ScsiResult, ScsiTransport } from '../../src/ports/scsi-transport.ts';
import type { ServerEvent } from '../../src/server/tape-server.ts';
import type { MountedTape } from '../hosts/mount-request.ts';
import { NonStopHost } from '../hosts/nonstop-host.ts';

export const DRIVE = 'VTD01';
export const DEVICE = '$TAPE0';
const LOOPBACK = '127.0.0.1';
const HOST_USER = 'SUPER.CAPSTAN';
const HOST_PASSWORD = 'laboratory';
/** How often the host looks at its drives: quicker than a real one, so that nobody waits. */
const HOST_POLL_INTERVAL_MS = 100;
/** A failed attempt is repeated soon: a laboratory has no five minutes. */
const RETRY_INTERVAL_SECONDS = 2;
const MOUNT_TIMEOUT_MS = 60 * SECOND_MS;
/** Silence after which what is waited for is given up. */
export const SILENCE_MS = 120 * SECOND_MS;

/** An options file that is not there: the client fails. */
export const NO_OPTIONS_FILE = '/nowhere/dsm.opt';
/**
 * A stand-in for a backup management application's client: notes what it was told in its ledger, and fails
 * where it is given an options file, as there is none.
 */
const CLIENT = `
  const [ledger, backupType, path, options] = process.argv.slice(1);
  if (options !== undefined) { console.error('ANS1035S Options file not found'); process.exit(12); }
  require('node:fs').appendFileSync(ledger, backupType + ' ' + path + '\\n');
`;

/** What the client of a home's server was told, a line each. */
export function clientLedger(home: string): string {
  return join(home, 'archived.txt');
}

const clientCommand = (home: string): string[] => [
  process.execPath,
  '--eval',
  CLIENT,
  clientLedger(home),
  '{backupType}',
  '{path}',
  '-optfile={optfile}',
];

/** From the host to the server's drive; there is nothing at its end before the server runs. */
class DriveCable implements ScsiTransport {
  server: () => RunningServer | undefined = () => undefined;

  execute(command: ScsiCommand): Promise<ScsiResult> {
    const running = this.server();
    if (running !== undefined) return running.server.driveTransport(DRIVE).execute(command);
    const reason = 'it is not there yet';
    return Promise.reject(new CapstanError('CONNECTION_LOST', { peer: DRIVE, reason }));
  }
}

/** One server with its host. */
export class LabSite {
  readonly name: string;
  readonly home: string;
  readonly host: NonStopHost;
  readonly #listener: Listener;
  readonly #events: ServerEvent[] = [];
  readonly #watchers = new Set<() => void>();
  #running: RunningServer | undefined;
  created: CreatedHome | undefined;

  private constructor(name: string, home: string, host: NonStopHost, listener: Listener) {
    this.name = name;
    this.home = home;
    this.host = host;
    this.#listener = listener;
  }

  /** Makes the home and opens the host's TACL port; the server is not running yet. */
  static async prepare(name: string, node: string, folder: string): Promise<LabSite> {
    const home = join(folder, name);
    const cable = new DriveCable();
    const host = new NonStopHost({
      node,
      clock: systemClock,
      network: tcpNetwork,
      devices: new Map([[DEVICE, cable]]),
      user: HOST_USER,
      password: HOST_PASSWORD,
      pollIntervalMs: HOST_POLL_INTERVAL_MS,
    });
    const listener = await host.listen({ address: LOOPBACK, port: 0 });
    const site = new LabSite(name, home, host, listener);
    cable.server = () => site.running;
    try {
      site.created = await site.#createHome(node, listener.endpoint.port);
    } catch (error) {
      await site.stop();
      throw error;
    }
    return site;
  }

  async #createHome(node: string, port: number): Promise<CreatedHome> {
    const passwordFile = 'keys/host_password';
    const ems: ConfigurationFile['ems'] = [
      { host: node, address: LOOPBACK, port, user: HOST_USER, passwordFile },
    ];
    const created = await createHome({
      home: this.home,
      name: this.name,
      listen: { address: LOOPBACK, port: 0 },
      ems,
      autocopy: { retryIntervalSeconds: RETRY_INTERVAL_SECONDS },
      cleanup: { enable: true },
      hsm: { enable: true, backup: { TSM: { command: clientCommand(this.home) } } },
    });
    const path = join(this.home, passwordFile);
    await writeFile(path, `${HOST_PASSWORD}\n`, { mode: 0o600 });
    return created;
  }

  /** Lets the holder of `publicKey` copy tapes here; before the server is started. */
  async authorize(publicKey: string): Promise<void> {
    await appendFile(homePaths(this.home).authorizedKeys, `${publicKey}\n`);
  }

  /** Starts the server and connects its drive to the host. */
  async start(pool: string): Promise<void> {
    this.#running = await startServer({
      home: this.home,
      onEvent: (event) => this.#take(event),
    });
    await this.call('pool.create', { name: pool, vault: FIRST_VAULT });
    await this.call('drive.create', { name: DRIVE, host: this.host.node, device: DEVICE });
  }

  get running(): RunningServer | undefined {
    return this.#running;
  }

  get server(): RunningServer {
    assert(this.#running !== undefined, `the laboratory has started ${this.name}`);
    return this.#running;
  }

  call(operation: string, parameters: Readonly<Record<string, unknown>>): Promise<unknown> {
    return this.server.server.operations.call(operation, parameters);
  }

  /** The host asks for a tape and gets it. */
  mount(volume: string, ring: boolean, comment: string): Promise<MountedTape> {
    return this.host.requestMount({ volume, ring, comment, timeoutMs: MOUNT_TIMEOUT_MS });
  }

  /** A mark in the events, for {@link nextEvent}. */
  get eventCount(): number {
    return this.#events.length;
  }

  eventsSince(mark: number): readonly ServerEvent[] {
    return this.#events.slice(mark);
  }

  /** The first event of `kind` since `mark`; rejects CONNECTION_LOST after silence of `timeoutMs`. */
  nextEvent<Kind extends ServerEvent['kind']>(
    kind: Kind,
    mark: number,
    timeoutMs: number,
  ): Promise<Extract<ServerEvent, { kind: Kind }>> {
    const isIt = (event: ServerEvent): event is Extract<ServerEvent, { kind: Kind }> =>
      event.kind === kind;
    return new Promise((resolve, reject) => {
      const watch = (): void => {
        cancel();
        const event = this.#events.slice(mark).find(isIt);
        if (event !== undefined) {
          this.#watchers.delete(watch);
          resolve(event);
          return;
        }
        cancel = systemClock.after(timeoutMs, () => {
          this.#watchers.delete(watch);
          const reason = `no ${kind} within ${timeoutMs / 1000} s`;
          reject(new CapstanError('CONNECTION_LOST', { peer: this.name, reason }));
        });
      };
      let cancel: () => void = () => {};
      this.#watchers.add(watch);
      watch();
    });
  }

  #take(event: ServerEvent): void {
    // Progress is many and says little: it only tells the watchers that something moves.
    if (event.kind !== 'copy-progress') this.#events.push(event);
    for (const watch of this.#watchers) watch();
  }

  async stop(): Promise<void> {
    await this.#running?.stop();
    await this.#listener.close();
  }
}

/** Makes and starts both sites; tapes of east's `pool` are copied to west's `targetPool`. */
export async function startSites(
  folder: string,
  pool: string,
  targetPool: string,
): Promise<{ readonly east: LabSite; readonly west: LabSite }> {
  await mkdir(folder, { recursive: true });
  const east = await LabSite.prepare('east', String.raw`\LAB`, folder);
  const west = await LabSite.prepare('west', String.raw`\WEST`, folder).catch(
    async (error: unknown) => {
      await east.stop();
      throw error;
    },
  );
  try {
    await connectSites(east, west, { pool, targetPool });
  } catch (error) {
    await east.stop();
    await west.stop();
    throw error;
  }
  return { east, west };
}

async function connectSites(
  east: LabSite,
  west: LabSite,
  { pool, targetPool }: { readonly pool: string; readonly targetPool: string },
): Promise<void> {
  await west.authorize(east.created?.publicKey ?? '');
  await east.authorize(west.created?.publicKey ?? '');
  await west.start(targetPool);
  await east.start(pool);
  await east.call('autocopy.create', { pool, targetPool, target: targetAt(west) });
}

/** How the other server copies to `site`. */
export function targetAt(site: LabSite): CopyTarget {
  const { endpoint, hostKeyFingerprint } = site.server;
  assert(endpoint !== undefined, 'a server of the laboratory receives copies');
  return {
    server: site.name,
    ...endpoint,
    user: 'capstan',
    hostKey: hostKeyFingerprint,
    transport: 'ssh2',
  };
}
