/**
 * A whole virtual tape server in this process: what `capstan serve` runs, and the laboratory twice.
 *
 * Opened in this order: catalog and vaults (whose locks refuse a second server), the services, the
 * SSH receiver, the API. Stopped in the opposite one.
 */
import { isAbsolute, join } from 'node:path';
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { MINUTE_MS, SECOND_MS } from '../base/units.ts';
import { openCatalog } from '../catalog/sqlite-catalog.ts';
import { answers } from '../platform/control-socket.ts';
import { childProcesses } from '../platform/child-processes.ts';
import { openEngine } from '../platform/engine.ts';
import {
  CATALOG_BALLAST_BYTES,
  VAULT_BALLAST,
  VAULT_BALLAST_BYTES,
  fileBallast,
} from '../platform/file-ballast.ts';
import { scratchFolders } from '../platform/scratch-folders.ts';
import { logFolder } from '../platform/log-folder.ts';
import { openHandoverDoor } from '../platform/handover-door.ts';
import type { HandoverDoor } from '../platform/handover-door.ts';
import { OpenSshLink } from '../platform/openssh-link.ts';
import { rotatingLogFolder } from '../platform/rotating-log-folder.ts';
import { sshKeyFingerprint } from '../platform/ssh-keys.ts';
import { startSshServer } from '../platform/ssh-server.ts';
import type { SshServer } from '../platform/ssh-server.ts';
import { Ssh2Link } from '../platform/ssh2-link.ts';
import { systemFileSystems } from '../platform/file-systems.ts';
import { systemClock, systemTimeZone } from '../platform/system-clock.ts';
import { systemCryptography } from '../platform/system-cryptography.ts';
import { systemRandom } from '../platform/system-random.ts';
import { tcpNetwork } from '../platform/tcp-network.ts';
import type { Ballast } from '../ports/ballast.ts';
import type { Catalog } from '../ports/catalog.ts';
import type { DuplexStream, Endpoint } from '../ports/network.ts';
import type { ReplicationLink } from '../ports/replication-link.ts';
import { LANE_POLICY } from '../replication/lanes.ts';
import { receiveCopies } from '../replication/receiver.ts';
import { TapeServer } from '../server/tape-server.ts';
import type { HostSettings, ServerEvent, ServerSettings } from '../server/tape-server.ts';

import {
  emsParametersOf,
  readConfiguration,
  readHomeFile,
  readKeyLines,
  readSecretFile,
} from './configuration.ts';
import { homePaths } from './home.ts';
import { cleanupSettings, hsmSettings } from './media-configuration.ts';
import type { Configuration } from './configuration.ts';
import type { HomePaths } from './home.ts';
import { openApiDoors } from './serve-api.ts';
import type { ApiDoors } from './serve-api.ts';

/** Of a rate as people give it. */
const MEGABYTE_BYTES = 1_000_000;
/** The kind of event that says how far an operation is. */
export const PROGRESS_EVENTS: Readonly<Record<string, ServerEvent['kind']>> = {
  'tape.verify': 'verify-progress',
  'vault.collect': 'collect-progress',
};

export interface StartOptions {
  readonly home: string;
  /** Every event of the server, for the log, progress bars and the laboratory. */
  readonly onEvent?: (event: ServerEvent) => void;
  /** What is no event: a lost replication connection, a fault of the program's own. */
  readonly onNotice?: (sentence: string) => void;
}

export interface RunningServer {
  readonly configuration: Configuration;
  readonly paths: HomePaths;
  readonly server: TapeServer;
  /** Where copies are received; the port picked where 0 was configured. */
  readonly endpoint: Endpoint | undefined;
  /** Where the API listens over TCP; undefined where none is configured. */
  readonly apiEndpoint: Endpoint | undefined;
  readonly hostKeyFingerprint: string;
  /** Ends sessions and copies, makes everything durable, removes the control socket. Idempotent. */
  stop(): Promise<void>;
}

/** Rejects IN_USE where a server runs on this home, and as configuration, vaults and ports do. */
export async function startServer(options: StartOptions): Promise<RunningServer> {
  const paths = homePaths(options.home);
  const configuration = await readConfiguration(paths);
  if (await answers(paths.controlSocket)) throw alreadyRunning(paths);
  const hostKey = await readHomeFile(paths.hostKey);
  const server = await openServer(paths, configuration, await hostSettings(paths, configuration));
  if (options.onEvent !== undefined) server.onEvent(options.onEvent);

  let ssh: SshServer | undefined;
  let api: ApiDoors | undefined;
  let handover: HandoverDoor | undefined;
  const receive = (stream: DuplexStream): Promise<void> =>
    serveReplication(server, configuration, stream, options.onNotice);
  const stopAll = async (): Promise<void> => {
    await api?.close();
    await handover?.close();
    await ssh?.close();
    await server.stop();
  };
  try {
    if (configuration.listen !== undefined) {
      ssh = await startSshServer({
        hostKey,
        authorizedKeys: await readKeyLines(inHome(paths, configuration.authorizedKeys)),
        endpoint: configuration.listen,
        onReplication: (stream) => void receive(stream),
        onIsc: (stream, key) => server.acceptIsc(stream, key),
      });
    }
    const notice = (sentence: string): void => options.onNotice?.(sentence);
    const onFault = (error: unknown): void => notice(`fault: ${faultText(error)}`);
    // A socket is a file: some file systems have no room for it.
    api = await server.withRoom(() => openApiDoors({ server, paths, configuration, onFault }));
    handover = await server.withRoom(() => openHandoverDoor(paths.receiveSocket, receive, notice));
  } catch (error) {
    await stopAll();
    // A server that began at the same time has the sockets of the home.
    const isHomeTaken =
      isCapstanError(error, 'IN_USE') && error.fields['kind'] === 'control socket';
    throw isHomeTaken ? alreadyRunning(paths) : error;
  }
  let stopping: Promise<void> | undefined;
  return {
    configuration,
    paths,
    server,
    endpoint: ssh?.endpoint,
    apiEndpoint: api.endpoint,
    hostKeyFingerprint: sshKeyFingerprint(hostKey),
    stop: () => (stopping ??= stopAll()),
  };
}

/**
 * The services over a home's catalog and vaults, without the doors to the outside; 'offline' for the
 * length of a command, while no server runs.
 */
export async function openServer(
  paths: HomePaths,
  configuration: Configuration,
  hosts: readonly HostSettings[] | 'offline',
): Promise<TapeServer> {
  const { autocopy, collect } = configuration;
  const rate = collect.megabytesPerSecond;
  const settings: ServerSettings = {
    serverName: configuration.name,
    profile: configuration.profile,
    access: {
      failuresMax: configuration.access.failuresMax,
      lockOutMs: configuration.access.lockOutMinutes * MINUTE_MS,
      sessionMs: configuration.access.sessionHours * 60 * MINUTE_MS,
      idleMs: configuration.access.idleMinutes * MINUTE_MS,
    },
    eventFiles: {
      rotateAt: configuration.log.rotateAt,
      timeZone: configuration.log.timeZone ?? systemTimeZone(),
      keptMax: configuration.log.keep,
    },
    debugFiles: {
      fileBytesMax: configuration.log.debugMegabytes * MEGABYTE_BYTES,
      keptMax: configuration.log.debugKeep,
    },
    systemId: configuration.systemId,
    address: configuration.address,
    // A command listens to none of them, and needs no password.
    hosts: hosts === 'offline' ? hostsOf(configuration) : hosts,
    interSystemServers: emsParametersOf(configuration).interSystemServers,
    offline: hosts === 'offline',
    ...(rate !== undefined && { collectRateBytesPerSecond: rate * MEGABYTE_BYTES }),
    hsm: hsmSettings(configuration.hsm),
    cleanup: cleanupSettings(configuration.cleanup),
    ...(autocopy.megabytesPerSecond !== undefined && {
      copyBytesPerSecond: autocopy.megabytesPerSecond * MEGABYTE_BYTES,
    }),
    copyPolicy: {
      attemptsMax: autocopy.attemptsMax,
      retryIntervalMs: autocopy.retryIntervalSeconds * SECOND_MS,
      stallTimeoutMs: autocopy.stallTimeoutSeconds * SECOND_MS,
      lanes: { ...LANE_POLICY, countMax: autocopy.channelsMax },
    },
  };
  const link = await chooseLink(paths);
  const catalogBallast = fileBallast(`${paths.catalog}.ballast`, CATALOG_BALLAST_BYTES);
  const catalog = await openCatalogWith(catalogBallast, paths.catalog);
  try {
    return await TapeServer.start(
      {
        clock: systemClock,
        random: systemRandom,
        cryptography: systemCryptography,
        eventFiles: rotatingLogFolder(paths.log),
        network: tcpNetwork,
        link,
        catalog,
        fileSystems: {
          usage: (path) => systemFileSystems.usage(inHome(paths, path)),
        },
        processes: childProcesses,
        scratch: scratchFolders(paths.scratch),
        logFiles: logFolder(paths.log),
        ballasts: {
          catalog: catalogBallast,
          vault: ({ path }) =>
            fileBallast(join(inHome(paths, path), VAULT_BALLAST), VAULT_BALLAST_BYTES),
        },
        openEngine: (vault, mode) =>
          openEngine(inHome(paths, vault.path), { mode, ...configuration.store }),
      },
      settings,
    );
  } catch (error) {
    await catalog.close();
    throw error;
  }
}

/** Opens the catalog; on a full disk with what is held back beside it. */
async function openCatalogWith(ballast: Ballast, path: string): Promise<Catalog> {
  try {
    return openCatalog(path);
  } catch (error) {
    if (!isCapstanError(error, 'NO_SPACE') || !(await ballast.release())) throw error;
    return openCatalog(path);
  }
}

/** Serves one replication connection to its end; its faults become notices. */
export async function serveReplication(
  server: TapeServer,
  configuration: Configuration,
  stream: DuplexStream,
  onNotice: ((sentence: string) => void) | undefined,
): Promise<void> {
  try {
    await receiveCopies({
      stream,
      receiver: server.receiver,
      clock: systemClock,
      serverName: configuration.name,
      stallTimeoutMs: configuration.autocopy.stallTimeoutSeconds * SECOND_MS,
      lanes: server.lanes,
      log: (sentence) => onNotice?.(`${stream.peer}: ${sentence}`),
    });
  } catch (error) {
    onNotice?.(`fault: ${faultText(error)}`);
    stream.destroy();
  }
}

/** Whether an event says how far a call of the method is. */
export function isProgress(method: string, event: ServerEvent): boolean {
  return event.kind === PROGRESS_EVENTS[method];
}

async function chooseLink(paths: HomePaths): Promise<ReplicationLink> {
  const ssh2 = new Ssh2Link({ privateKey: await readHomeFile(paths.clientKey) });
  const openssh = new OpenSshLink({ identityFile: paths.clientKey });
  return {
    connect: (target, service) =>
      (target.transport === 'openssh' ? openssh : ssh2).connect(target, service),
  };
}

/** The tape hosts with their passwords out of the files. */
async function hostSettings(
  paths: HomePaths,
  configuration: Configuration,
): Promise<readonly HostSettings[]> {
  const passwords = await Promise.all(
    configuration.ems.map(({ passwordFile }) =>
      readSecretFile('password', inHome(paths, passwordFile)),
    ),
  );
  return hostsOf(configuration).map((host, index) => {
    const password = (passwords[index] ?? '').replace(/\r?\n$/, '');
    return { ...host, password };
  });
}

/** The tape hosts without their passwords. */
function hostsOf(configuration: Configuration): readonly HostSettings[] {
  const parameters = emsParametersOf(configuration);
  return configuration.ems.map((each) => ({
    host: each.host,
    endpoint: { address: each.address, port: each.port },
    user: each.user,
    password: '',
    ...(each.collector !== undefined && { collector: each.collector }),
    ...(each.filter !== undefined && { filter: each.filter }),
    parameters: {
      ...parameters.of(each.host),
      ...(each.vaults !== undefined && { vaults: each.vaults }),
    },
  }));
}

function inHome(paths: HomePaths, path: string): string {
  return isAbsolute(path) ? path : join(paths.home, path);
}

function alreadyRunning(paths: HomePaths): CapstanError {
  return new CapstanError('IN_USE', {
    kind: 'home folder',
    name: paths.home,
    by: 'a server runs on it already; stop that one first',
  });
}

function faultText(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
