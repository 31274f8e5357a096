/**
 * A replication link over the system's OpenSSH client: `ssh -s`, a process a connection.
 *
 * What is pinned is a fingerprint, what ssh wants is a key: `ssh-keyscan` asks the server for its key,
 * the key is taken only if it has the pinned fingerprint, and goes into a known_hosts file of its own
 * against which ssh then checks the connection. The private key stays in its file; ssh is told the
 * file's path. No user's configuration, agent or known hosts have a say.
 */
import { execFile, spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CapstanError } from '../base/errors.ts';
import { SECOND_MS } from '../base/units.ts';
import type { CopyTarget } from '../ports/catalog.ts';
import type { DuplexStream } from '../ports/network.ts';
import type { LinkService, ReplicationLink, ReplicationStream } from '../ports/replication-link.ts';
import { NodeDuplex } from './node-duplex.ts';
import { SSH_ALGORITHMS, SUBSYSTEMS, fingerprintOfBlob } from './ssh-keys.ts';
import { formatEndpoint } from './tcp-network.ts';

const CONNECT_TIMEOUT_MS = 20 * SECOND_MS;
/** A server that has let us in sends the protocol's first bytes by then. */
const GREETING_TIMEOUT_MS = 30 * SECOND_MS;
const KEEP_ALIVE_INTERVAL_MS = 15 * SECOND_MS;
const KEEP_ALIVE_COUNT_MAX = 3;
/** Of what ssh prints to standard error only the end is kept, characters. */
const STDERR_LENGTH_MAX = 4096;
/** What ssh-keyscan may print, bytes. */
const KEYSCAN_BYTES_MAX = 64 * 1024;

/** Neither can begin with '-', be taken apart by a shell, or hold one of ssh's `%` tokens. */
const ADDRESS_PATTERN = /^[A-Za-z0-9:][A-Za-z0-9.:-]{0,252}$/;
const USER_PATTERN = /^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/;

export interface OpenSshLinkOptions {
  /** File of the private key, mode 0600. */
  readonly identityFile: string;
  /** Folder of the OpenSSH programs; where none is given they are looked for as the system does. */
  readonly programFolder?: string;
}

export class OpenSshLink implements ReplicationLink {
  readonly #options: OpenSshLinkOptions;
  /** Host keys that had the pinned fingerprint, base64 by fingerprint. */
  readonly #hostKeys = new Map<string, string>();

  constructor(options: OpenSshLinkOptions) {
    this.#options = options;
  }

  /** Each stream is a process and a connection of its own, so that encryption goes on side by side, too. */
  async connect(
    target: CopyTarget,
    service: LinkService = 'replication',
  ): Promise<ReplicationStream> {
    const stream = await this.#open(target, service);
    return Object.assign(stream, { another: () => this.#open(target, service) });
  }

  async #open(target: CopyTarget, service: LinkService): Promise<DuplexStream> {
    check('address', target.address, ADDRESS_PATTERN);
    check('user', target.user, USER_PATTERN);
    const hostKey = await this.#hostKey(target);
    const folder = await mkdtemp(join(tmpdir(), 'capstan-ssh-'));
    const knownHosts = join(folder, 'known_hosts');
    const removeFolder = (): Promise<void> => rm(folder, { recursive: true, force: true });
    try {
      const name = `[${target.address}]:${target.port},${target.address}`;
      await writeFile(knownHosts, `${name} ssh-ed25519 ${hostKey}\n`, { mode: 0o600 });
      const parameters = this.#arguments(target, knownHosts, SUBSYSTEMS[service]);
      const child = spawn(this.#program('ssh'), parameters);
      child.once('close', () => void removeFolder());
      return await greetedStream(child, target);
    } catch (error) {
      await removeFolder();
      throw error;
    }
  }

  #program(name: string): string {
    const { programFolder } = this.#options;
    return programFolder === undefined ? name : join(programFolder, name);
  }

  #arguments(target: CopyTarget, knownHosts: string, subsystem: string): string[] {
    const settings = {
      BatchMode: 'yes',
      StrictHostKeyChecking: 'yes',
      UserKnownHostsFile: knownHosts,
      GlobalKnownHostsFile: '/dev/null',
      UpdateHostKeys: 'no',
      HostKeyAlgorithms: SSH_ALGORITHMS.serverHostKey.join(','),
      PreferredAuthentications: 'publickey',
      IdentitiesOnly: 'yes',
      IdentityAgent: 'none',
      IdentityFile: `"${this.#options.identityFile}"`,
      ClearAllForwardings: 'yes',
      ControlPath: 'none',
      Compression: 'no',
      ConnectTimeout: CONNECT_TIMEOUT_MS / SECOND_MS,
      ServerAliveInterval: KEEP_ALIVE_INTERVAL_MS / SECOND_MS,
      ServerAliveCountMax: KEEP_ALIVE_COUNT_MAX,
      LogLevel: 'ERROR',
    };
    const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    const route = [
      '-c',
      SSH_ALGORITHMS.cipher.join(','),
      '-p',
      `${target.port}`,
      '-l',
      target.user,
    ];
    return ['-F', 'none', '-T', ...options, ...route, '-s', '--', target.address, subsystem];
  }

  /** The server's key, base64, once it has been seen to have the pinned fingerprint. */
  async #hostKey(target: CopyTarget): Promise<string> {
    const known = this.#hostKeys.get(target.hostKey);
    if (known !== undefined) return known;
    const peer = formatEndpoint(target);
    const timeoutSeconds = `${CONNECT_TIMEOUT_MS / SECOND_MS}`;
    const parameters = ['-t', 'ed25519', '-T', timeoutSeconds, '-p', `${target.port}`, '--'];
    let output: string;
    try {
      const run = promisify(execFile)(
        this.#program('ssh-keyscan'),
        [...parameters, target.address],
        {
          maxBuffer: KEYSCAN_BYTES_MAX,
          timeout: 2 * CONNECT_TIMEOUT_MS,
        },
      );
      output = (await run).stdout;
    } catch (error) {
      const reason = `ssh-keyscan failed: ${lastLine((error as Error).message)}`;
      throw new CapstanError('CONNECTION_REFUSED', { peer, reason }, { cause: error });
    }
    const [, key] = /^\S+ ssh-ed25519 ([A-Za-z0-9+/=]+)$/m.exec(output) ?? [];
    if (key === undefined) {
      const reason = 'it shows no ed25519 host key';
      throw new CapstanError('CONNECTION_REFUSED', { peer, reason });
    }
    const found = fingerprintOfBlob(Buffer.from(key, 'base64'));
    if (found !== target.hostKey) {
      throw new CapstanError('HOST_KEY_MISMATCH', { peer, found, expected: target.hostKey });
    }
    this.#hostKeys.set(target.hostKey, key);
    return key;
  }
}

function check(what: string, value: string, pattern: RegExp): void {
  if (pattern.test(value)) return;
  const shown = `The ${what} ${JSON.stringify(value.slice(0, 40))}`;
  throw new CapstanError('INVALID_ARGUMENT', {
    what: shown,
    reason: `it must match ${pattern.source}`,
  });
}

const lastLine = (text: string): string =>
  text
    .trimEnd()
    .split('\n')
    .at(-1)
    ?.replace(/[^ -~]/g, '?') ?? '';

const exitReason = (complaints: string, code: number | null): string =>
  lastLine(complaints) || (code === null ? 'ssh was killed' : `ssh ended with status ${code}`);

/** The stream of an ssh that the server has let in: once its first bytes are there. */
function greetedStream(
  child: ChildProcessWithoutNullStreams,
  target: CopyTarget,
): Promise<DuplexStream> {
  let complaints = '';
  child.stderr.setEncoding('utf8');
  child.stderr.on('data', (text: string) => {
    complaints = (complaints + text).slice(-STDERR_LENGTH_MAX);
  });
  const confirmEnd = new Promise<string | undefined>((resolve) => {
    child.once('close', (code) => resolve(code === 0 ? undefined : exitReason(complaints, code)));
  });
  const stream = new NodeDuplex({
    peer: target.server,
    readable: child.stdout,
    writable: child.stdin,
    drop: () => {
      child.stdin.destroy();
      child.kill('SIGKILL');
    },
    // Standard output also ends where ssh fails; its status tells one from the other.
    confirmEnd,
  });
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void => {
      clearTimeout(timer);
      stream.lose(reason);
      reject(sshError(reason, target));
    };
    const timer = setTimeout(
      () => fail(`no greeting within ${GREETING_TIMEOUT_MS} ms`),
      GREETING_TIMEOUT_MS,
    );
    child.once('error', (error) => fail(`ssh cannot be run: ${error.message}`));
    child.once('close', (code) => {
      clearTimeout(timer);
      const reason = code === 0 ? 'it ended the session' : exitReason(complaints, code);
      reject(sshError(reason, target));
    });
    child.stdout.once('data', () => {
      clearTimeout(timer);
      resolve(stream);
    });
  });
}

/** What ssh's last line says in terms of ports/replication-link.ts. */
function sshError(reason: string, target: CopyTarget): CapstanError {
  const peer = formatEndpoint(target);
  if (reason.includes('Permission denied')) {
    return new CapstanError('AUTHENTICATION_FAILED', { peer, user: target.user, reason });
  }
  if (reason.includes('Host key verification failed')) {
    const fields = { peer, found: 'another than before', expected: target.hostKey };
    return new CapstanError('HOST_KEY_MISMATCH', fields);
  }
  return new CapstanError('CONNECTION_REFUSED', { peer, reason });
}
