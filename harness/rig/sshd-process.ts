/** The system's sshd on loopback, with a subsystem of ours: started without root's configuration, and ended. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { generateSshKeyPair, sshKeyFingerprint } from '../../src/platform/ssh-keys.ts';
import { killAtExit, killChild } from './child-process.ts';
import { systemClock } from '../../src/platform/system-clock.ts';
import { sleep } from '../../src/ports/clock.ts';

const SSHD = '/usr/sbin/sshd';
const CLIENT_PROGRAMS = ['/usr/bin/ssh', '/usr/bin/ssh-keyscan'];
const LOOPBACK = '127.0.0.1';
const START_TIMEOUT_MS = 10_000;
const POLL_MS = 20;

/** The Debian packages of OpenSSH that this machine lacks. */
export function lackingOpenSsh(): readonly string[] {
  return [
    ...(CLIENT_PROGRAMS.every((program) => existsSync(program)) ? [] : ['openssh-client']),
    ...(existsSync(SSHD) ? [] : ['openssh-server']),
  ];
}

export interface SshdOptions {
  /** An empty folder for its files. */
  readonly folder: string;
  readonly port: number;
  /** OpenSSH private key; one of its own where it is missing. */
  readonly hostKey?: string;
  /** File of those who may come in. */
  readonly authorizedKeys: string;
  /** The command line behind `capstan-replication`. */
  readonly subsystem: string;
  /** Further lines of its configuration. */
  readonly settings?: readonly string[];
}

export class SshdProcess {
  readonly hostKeyFingerprint: string;
  readonly #configuration: string;
  readonly #port: number;
  #child: ChildProcess | undefined;

  private constructor(configuration: string, port: number, hostKeyFingerprint: string) {
    this.#configuration = configuration;
    this.#port = port;
    this.hostKeyFingerprint = hostKeyFingerprint;
  }

  /** Writes its files; it does not run yet. */
  static async prepare(options: SshdOptions): Promise<SshdProcess> {
    const { folder, port, authorizedKeys, subsystem } = options;
    const hostKey = options.hostKey ?? generateSshKeyPair('host').privateKey;
    // sshd insists on the folder that its package's service makes.
    if (userInfo().uid === 0) await mkdir('/run/sshd', { recursive: true, mode: 0o755 });
    const keyFile = join(folder, 'host');
    await writeFile(keyFile, hostKey, { mode: 0o600 });
    const settings = [
      `ListenAddress ${LOOPBACK}`,
      `Port ${port}`,
      `HostKey ${keyFile}`,
      `AuthorizedKeysFile ${authorizedKeys}`,
      `PidFile ${join(folder, 'sshd.pid')}`,
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'PermitRootLogin prohibit-password',
      `Subsystem capstan-replication ${subsystem}`,
      ...(options.settings ?? []),
    ];
    const configuration = join(folder, 'sshd_config');
    await writeFile(configuration, `${settings.join('\n')}\n`);
    return new SshdProcess(configuration, port, sshKeyFingerprint(hostKey));
  }

  /** Resolves when it lets in. */
  async start(): Promise<void> {
    const child = spawn(SSHD, ['-D', '-e', '-f', this.#configuration], { stdio: 'ignore' });
    this.#child = child;
    killAtExit(child);
    const giveUpMs = systemClock.monotonicMs() + START_TIMEOUT_MS;
    while (!(await listens(this.#port))) {
      if (child.exitCode !== null || systemClock.monotonicMs() > giveUpMs) {
        throw new Error(`sshd does not start with ${this.#configuration}`);
      }
      await sleep(systemClock, POLL_MS);
    }
  }

  /** It lets nobody in any more. Idempotent. */
  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    await killChild(child);
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: LOOPBACK, port });
    const answer = (does: boolean): void => {
      socket.destroy();
      resolve(does);
    };
    socket.once('connect', () => answer(true));
    socket.once('error', () => answer(false));
  });
}
