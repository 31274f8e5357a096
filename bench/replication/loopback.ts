/** Where copies are received on this machine: a private sshd for all, and Capstan's own server. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { ServeProcess, runCapstan } from '../../harness/rig/serve-process.ts';
import {
  SSH_ALGORITHMS,
  generateSshKeyPair,
  sshKeyFingerprint,
} from '../../src/platform/ssh-keys.ts';
import type { CopyTarget } from '../../src/ports/catalog.ts';
import { POOL } from './send-tape.ts';

const SSHD = '/usr/sbin/sshd';
const START_MS = 500;
const CLOCK_TICK_MS = 10;

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => {
    server.listen(0, '127.0.0.1', done);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => {
    server.close(done);
  });
  return port;
}

/** User and system time of a process; with those of the children that it has waited for. */
export function cpuMs(pid: number | 'self', of: 'itself' | 'children' | 'both'): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const sum = (first: number): number => Number(fields[first]) + Number(fields[first + 1]);
  const ticks = (of === 'children' ? 0 : sum(11)) + (of === 'itself' ? 0 : sum(13));
  return ticks * CLOCK_TICK_MS;
}

export class Loopback {
  readonly identityFile: string;
  readonly #folder: string;
  readonly #command: string;
  readonly #home: string;
  readonly #hostKey = generateSshKeyPair('host');
  readonly #client = generateSshKeyPair('east');
  #sshd: ChildProcess | undefined;
  #port = 0;
  #serving: ServeProcess | undefined;

  /** `command`: the `capstan` to be measured. */
  constructor(folder: string, command: string) {
    this.#folder = folder;
    this.#command = command;
    this.#home = join(folder, 'west');
    this.identityFile = join(folder, 'client');
  }

  async start(): Promise<void> {
    const file = (name: string): string => join(this.#folder, name);
    if (userInfo().uid === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
    mkdirSync(this.#folder, { recursive: true });
    writeFileSync(file('host'), this.#hostKey.privateKey, { mode: 0o600 });
    writeFileSync(file('client'), this.#client.privateKey, { mode: 0o600 });
    writeFileSync(file('authorized'), `${this.#client.publicKey}\n`, { mode: 0o600 });
    this.#port = await freePort();
    const key = this.#hostKey.publicKey.split(' ').slice(0, 2).join(' ');
    writeFileSync(file('known_hosts'), `[127.0.0.1]:${this.#port} ${key}\n`);
    const settings = [
      'ListenAddress 127.0.0.1',
      `Port ${this.#port}`,
      `HostKey ${file('host')}`,
      `AuthorizedKeysFile ${file('authorized')}`,
      `PidFile ${file('sshd.pid')}`,
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'PermitRootLogin prohibit-password',
      'Subsystem sftp internal-sftp',
      `Subsystem capstan-replication ${process.execPath} ${this.#command} receive --home ${this.#home}`,
    ];
    writeFileSync(file('sshd_config'), `${settings.join('\n')}\n`);
    this.#sshd = spawn(SSHD, ['-D', '-e', '-f', file('sshd_config')], { stdio: 'ignore' });
    await new Promise((done) => {
      setTimeout(done, START_MS);
    });
  }

  /** The command line of ssh by which peers reach `port`, sshd's own where none is given. */
  ssh(port = this.#port): string[] {
    const options = {
      BatchMode: 'yes',
      StrictHostKeyChecking: 'yes',
      UserKnownHostsFile: join(this.#folder, 'known_hosts'),
      HostKeyAlias: `[127.0.0.1]:${this.#port}`,
      IdentitiesOnly: 'yes',
      IdentityFile: this.identityFile,
      Compression: 'no',
      Ciphers: SSH_ALGORITHMS.cipher.join(','),
      Port: `${port}`,
    };
    return ['-F', 'none', ...Object.entries(options).flatMap((each) => ['-o', each.join('=')])];
  }

  get sshdPort(): number {
    return this.#port;
  }

  /** A new server, with nothing in its vault. */
  async emptyServer(): Promise<void> {
    await this.stopServer();
    const home = this.#home;
    const run = async (...args: readonly string[]): Promise<void> => {
      const { code, output } = await runCapstan([...args, '--home', home], {}, this.#command);
      if (code !== 0) throw new Error(`capstan ${args.join(' ')}: ${output}`);
    };
    await run('init', '--name', 'west', '--listen', '127.0.0.1:0');
    appendFileSync(join(home, 'keys/authorized_keys'), `${this.#client.publicKey}\n`);
    await run('pool', 'create', POOL);
    this.#serving = await ServeProcess.start(home, { program: this.#command });
  }

  async stopServer(): Promise<void> {
    await this.#serving?.end('SIGTERM');
    this.#serving = undefined;
    rmSync(this.#home, { recursive: true, force: true });
  }

  /** Where a copy goes: to the server's own SSH, or through sshd to it. */
  target(transport: CopyTarget['transport'], through: 'server' | 'sshd'): CopyTarget {
    const common = { server: 'west', address: '127.0.0.1', transport };
    if (through === 'sshd') {
      const hostKey = sshKeyFingerprint(this.#hostKey.publicKey);
      return { ...common, port: this.#port, user: userInfo().username, hostKey };
    }
    const [, port, hostKey] =
      / port (\d+), host key (SHA256:\S+)\./.exec(this.#serving?.output ?? '') ?? [];
    if (hostKey === undefined) throw new Error('The server does not say where it listens.');
    return { ...common, port: Number(port), user: 'capstan', hostKey };
  }

  /** Processor time of everything that receives, so far. */
  receiverCpuMs(): number {
    const sshd = this.#sshd?.pid === undefined ? 0 : cpuMs(this.#sshd.pid, 'both');
    const server = this.#serving === undefined ? 0 : cpuMs(this.#serving.pid, 'both');
    return sshd + server;
  }

  async stop(): Promise<void> {
    await this.stopServer();
    this.#sshd?.kill();
  }
}
