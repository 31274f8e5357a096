/**
 * Real processes as a stage for a scripted scenario: each side is a child process that serves a home on disk,
 * behind the system's sshd, on the real clock. Only the configuration makes it quick: the interval between
 * attempts.
 *
 *   this process                      child processes
 *   \LAB ──TACL over TCP──▶ east ──ssh──▶ sshd ──capstan receive──▶ west
 *        ──SCSI cable─────▶      ◀──ssh── (and the other way round)
 */
import { appendFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { localClient } from '../../src/cli/call.ts';
import { homePaths } from '../../src/cli/home.ts';
import { createHome } from '../../src/cli/create-home.ts';
import type { CreatedHome } from '../../src/cli/create-home.ts';
import { systemUser } from '../../src/cli/serve-api.ts';
import { systemClock } from '../../src/platform/system-clock.ts';
import { tcpNetwork } from '../../src/platform/tcp-network.ts';
import type { CopyTarget } from '../../src/ports/catalog.ts';
import { sleep } from '../../src/ports/clock.ts';
import { HostLine } from '../hosts/host-line.ts';
import { NonStopHost } from '../hosts/nonstop-host.ts';
import { other } from '../workload/dr-sides.ts';
import type { Side } from '../workload/dr-sides.ts';
import { TWO_SITES } from '../workload/two-sites.ts';
import type { Stage } from '../workload/two-sites.ts';
import { freePort } from './free-port.ts';
import { ScsiCable } from './scsi-cable.ts';
import { CAPSTAN, ServeProcess } from './serve-process.ts';
import { SshdProcess } from './sshd-process.ts';

const LOOPBACK = '127.0.0.1';
/**
 * Between two attempts: the five minutes of the product, and what makes a play quick. Longer than a door
 * takes to open, so that the next attempt finds it open.
 */
const RETRY_SECONDS = 6;
const POLL_MS = 50;
const LIMIT_MS = 60_000;

interface Machine {
  readonly home: CreatedHome;
  readonly sshd: SshdProcess;
  readonly port: number;
  server: ServeProcess | undefined;
}

export class RealStage implements Stage {
  readonly host: NonStopHost;
  readonly line = new HostLine(tcpNetwork);
  readonly #hostPort: number;
  readonly #cable: ScsiCable;
  readonly #cablePath: string;
  readonly #compileCache: string;
  readonly #machines: Readonly<Record<Side, Machine>>;

  private constructor(folder: string, hostPort: number, machines: Readonly<Record<Side, Machine>>) {
    const { node, user, password, drive, device } = TWO_SITES;
    this.#hostPort = hostPort;
    this.#machines = machines;
    // A path short enough for a socket.
    this.#cablePath = join(folder, 'scsi');
    this.#compileCache = compileCacheOf(folder);
    this.#cable = new ScsiCable(this.#cablePath);
    this.host = new NonStopHost({
      node,
      clock: systemClock,
      network: this.line,
      devices: new Map([[device, this.#cable.drive(drive)]]),
      user,
      password,
    });
  }

  /** Makes both homes and what their sshd need in `folder`, which is empty; nothing runs yet. */
  static async prepare(folder: string): Promise<RealStage> {
    const hostPort = await freePort();
    const machines = {
      east: await newMachine(folder, 'east', hostPort),
      west: await newMachine(folder, 'west', undefined),
    };
    for (const side of ['east', 'west'] as const) {
      const { authorizedKeys } = machines[side].home.paths;
      await appendFile(authorizedKeys, `${machines[other(side)].home.publicKey}\n`);
    }
    return new RealStage(folder, hostPort, machines);
  }

  call(side: Side, operation: string, parameters: object): Promise<unknown> {
    const { controlSocket } = this.#machines[side].home.paths;
    const given = parameters as Readonly<Record<string, unknown>>;
    return localClient(controlSocket).call(operation, given);
  }

  finish<Value>(work: Promise<Value>): Promise<Value> {
    return work;
  }

  pause(durationMs: number): Promise<void> {
    return sleep(systemClock, durationMs);
  }

  async until(what: string, condition: () => Promise<boolean>): Promise<void> {
    const giveUpMs = systemClock.monotonicMs() + LIMIT_MS;
    while (!(await condition())) {
      if (systemClock.monotonicMs() > giveUpMs) throw new Error(`there never is ${what}`);
      await sleep(systemClock, POLL_MS);
    }
  }

  async kill(side: Side): Promise<void> {
    const machine = this.#machines[side];
    await machine.sshd.stop();
    await machine.server?.end('SIGKILL');
    machine.server = undefined;
  }

  async start(side: Side): Promise<void> {
    const machine = this.#machines[side];
    const { home } = machine.home.paths;
    // What a killed process has left.
    if (side === 'east') await rm(this.#cablePath, { force: true });
    machine.server = await ServeProcess.start(home, {
      environment: { NODE_COMPILE_CACHE: this.#compileCache },
      ...(side === 'east' && { cable: this.#cablePath }),
    });
  }

  async setDoor(side: Side, state: 'open' | 'shut'): Promise<void> {
    const { sshd } = this.#machines[side];
    await (state === 'open' ? sshd.start() : sshd.stop());
  }

  async openHost(): Promise<void> {
    await this.host.listen({ address: LOOPBACK, port: this.#hostPort });
  }

  target(side: Side): CopyTarget {
    const { port, sshd } = this.#machines[side];
    return {
      server: side,
      address: LOOPBACK,
      port,
      user: systemUser().user,
      hostKey: sshd.hostKeyFingerprint,
      transport: 'openssh',
    };
  }

  /** Ends all that runs. */
  async close(): Promise<void> {
    this.#cable.close();
    await this.line.takeDown();
    for (const side of ['east', 'west'] as const) await this.kill(side);
  }
}

/** Node is started twenty times. */
const compileCacheOf = (folder: string): string => join(folder, 'compile-cache');

async function newMachine(
  folder: string,
  side: Side,
  hostPort: number | undefined,
): Promise<Machine> {
  const { node, user, password } = TWO_SITES;
  const passwordFile = 'keys/host_password';
  const home = await createHome({
    home: join(folder, side),
    name: side,
    ems:
      hostPort === undefined
        ? []
        : [{ host: node, address: LOOPBACK, port: hostPort, user, passwordFile }],
    emsParameters: { ems_keep_alive: 0 },
    autocopy: { retryIntervalSeconds: RETRY_SECONDS },
  });
  await writeFile(join(home.paths.home, passwordFile), `${password}\n`, { mode: 0o600 });
  await closeOwnDoor(home);
  const port = await freePort();
  const files = join(folder, `${side}-sshd`);
  await mkdir(files);
  const { authorizedKeys } = homePaths(home.paths.home);
  const cache = `NODE_COMPILE_CACHE=${compileCacheOf(folder)}`;
  const subsystem = `env ${cache} ${process.execPath} ${CAPSTAN} receive --home ${home.paths.home}`;
  const sshd = await SshdProcess.prepare({ folder: files, port, authorizedKeys, subsystem });
  return { home, sshd, port, server: undefined };
}

/** Copies come through the system's sshd only, as docs/start/first-walk.md tells. */
async function closeOwnDoor({ paths }: CreatedHome): Promise<void> {
  const text = await readFile(paths.configuration, 'utf8');
  const { listen: _, ...rest } = JSON.parse(text) as Record<string, unknown>;
  await writeFile(paths.configuration, JSON.stringify(rest));
}
