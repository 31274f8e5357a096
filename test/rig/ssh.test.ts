/**
 * The real OpenSSH on either side: its client to our server, both our links to its server.
 *
 * Needs `ssh` and `ssh-keyscan` (package openssh-client) and `sshd` (openssh-server); without them
 * the tests are skipped, and say so.
 */
import { writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { dir } from 'tmp-promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OpenSshLink } from '../../src/platform/openssh-link.ts';
import { Ssh2Link } from '../../src/platform/ssh2-link.ts';
import { generateSshKeyPair, sshKeyFingerprint } from '../../src/platform/ssh-keys.ts';
import { startSshServer } from '../../src/platform/ssh-server.ts';
import type { SshServer } from '../../src/platform/ssh-server.ts';
import { systemClock } from '../../src/platform/system-clock.ts';
import type { CopyTarget } from '../../src/ports/catalog.ts';
import type { ReplicationLink } from '../../src/ports/replication-link.ts';
import { receiveCopies } from '../../src/replication/receiver.ts';
import { sendTape } from '../../src/replication/sender.ts';
import type { SendResult } from '../../src/replication/sender.ts';
import { freePort } from '../../harness/rig/free-port.ts';
import { SshdProcess, lackingOpenSsh } from '../../harness/rig/sshd-process.ts';
import { EngineModel } from '../../harness/model/engine-model.ts';
import { ModelStore } from '../../harness/model/model-store.ts';
import { OFFER, TargetServer, writeTape } from '../unit/replication/copies.ts';

const hasClient = !lackingOpenSsh().includes('openssh-client');
const hasServer = !lackingOpenSsh().includes('openssh-server');
if (!hasClient) console.warn('SKIPPED: the package openssh-client is missing');
if (!hasServer) console.warn('SKIPPED: the package openssh-server is missing');

const hostKey = generateSshKeyPair('host');
const client = generateSshKeyPair('east');
const stranger = generateSshKeyPair('stranger');
const STALL_TIMEOUT_MS = 20_000;

let folder: { path: string; cleanup: () => Promise<void> };
const fileOf = (name: string): string => join(folder.path, name);
const source = new EngineModel(new ModelStore());

beforeAll(async () => {
  folder = await dir({ unsafeCleanup: true });
  writeFileSync(fileOf('client'), client.privateKey, { mode: 0o600 });
  writeFileSync(fileOf('stranger'), stranger.privateKey, { mode: 0o600 });
  await writeTape(source, 60, 100_000);
});
afterAll(() => folder.cleanup());

async function copyOver(link: ReplicationLink, target: CopyTarget): Promise<SendResult> {
  return sendTape({
    stream: await link.connect(target),
    engine: source,
    clock: systemClock,
    offer: OFFER,
    sourceServer: 'east',
    stallTimeoutMs: STALL_TIMEOUT_MS,
  });
}

describe.skipIf(!hasClient)('the OpenSSH client to our server', () => {
  let server: SshServer;
  let received: TargetServer;
  const log: string[] = [];

  beforeAll(async () => {
    received = new TargetServer();
    server = await startSshServer({
      hostKey: hostKey.privateKey,
      authorizedKeys: [client.publicKey],
      endpoint: { address: '127.0.0.1', port: 0 },
      onReplication: (stream) => {
        void receiveCopies({
          stream,
          receiver: received,
          clock: systemClock,
          serverName: 'west',
          stallTimeoutMs: STALL_TIMEOUT_MS,
          log: (sentence) => log.push(sentence),
        });
      },
    });
  });
  afterAll(() => server.close());

  const target = (changes: Partial<CopyTarget> = {}): CopyTarget => ({
    server: 'west',
    ...server.endpoint,
    user: 'capstan',
    hostKey: server.hostKeyFingerprint,
    transport: 'openssh',
    ...changes,
  });

  it('copies a tape', async () => {
    const result = await copyOver(new OpenSshLink({ identityFile: fileOf('client') }), target());
    expect(result).toMatchObject({ outcome: 'copied', chunksSent: 60 });
    expect(await received.engine.exportManifest('LAB001')).toEqual(
      await source.exportManifest('LAB001'),
    );
    expect(log).toEqual([]);
  });

  it('is refused with a key that the server does not know', async () => {
    const link = new OpenSshLink({ identityFile: fileOf('stranger') });
    await expect(link.connect(target())).rejects.toMatchObject({ code: 'AUTHENTICATION_FAILED' });
  });

  it('does not go on where the host key is another than the one pinned', async () => {
    const link = new OpenSshLink({ identityFile: fileOf('client') });
    const pinned = sshKeyFingerprint(stranger.publicKey);
    await expect(link.connect(target({ hostKey: pinned }))).rejects.toMatchObject({
      code: 'HOST_KEY_MISMATCH',
    });
  });

  it('takes no address or user that could be an option or a command', async () => {
    const link = new OpenSshLink({ identityFile: fileOf('client') });
    for (const address of ['-oProxyCommand=id', 'a;id', 'a b', '$(id)', '%h', '']) {
      await expect(link.connect(target({ address }))).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      });
    }
    await expect(link.connect(target({ user: '-lroot' }))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });
});

describe.skipIf(!hasServer || !hasClient)('our links to the OpenSSH server', () => {
  let sshd: SshdProcess;
  let port: number;

  beforeAll(async () => {
    port = await freePort();
    writeFileSync(fileOf('authorized'), `${client.publicKey}\n`, { mode: 0o600 });
    const program = resolve(import.meta.dirname, 'receive-subsystem.ts');
    sshd = await SshdProcess.prepare({
      folder: folder.path,
      port,
      hostKey: hostKey.privateKey,
      authorizedKeys: fileOf('authorized'),
      subsystem: `${process.execPath} ${program} 2>>${fileOf('receive.log')}`,
    });
    await sshd.start();
  });
  afterAll(() => sshd.stop());

  const target = (changes: Partial<CopyTarget> = {}): CopyTarget => ({
    server: 'west',
    address: '127.0.0.1',
    port,
    user: userInfo().username,
    hostKey: sshKeyFingerprint(hostKey.publicKey),
    transport: 'ssh2',
    ...changes,
  });

  it('copy a tape over ssh2', async () => {
    const result = await copyOver(new Ssh2Link({ privateKey: client.privateKey }), target());
    expect(result).toMatchObject({ outcome: 'copied', chunksSent: 60 });
  });

  it('copy a tape over OpenSSH', async () => {
    const result = await copyOver(new OpenSshLink({ identityFile: fileOf('client') }), target());
    expect(result).toMatchObject({ outcome: 'copied', chunksSent: 60 });
  });

  it('are refused with a key that the server does not know', async () => {
    const code = 'AUTHENTICATION_FAILED';
    const overSsh2 = new Ssh2Link({ privateKey: stranger.privateKey });
    await expect(overSsh2.connect(target())).rejects.toMatchObject({ code });
    const overOpenSsh = new OpenSshLink({ identityFile: fileOf('stranger') });
    await expect(overOpenSsh.connect(target())).rejects.toMatchObject({ code });
  });

  it('stop at a host key that is another than the one pinned', async () => {
    const hostKeyOfOthers = sshKeyFingerprint(stranger.publicKey);
    const link = new Ssh2Link({ privateKey: client.privateKey });
    await expect(link.connect(target({ hostKey: hostKeyOfOthers }))).rejects.toMatchObject({
      code: 'HOST_KEY_MISMATCH',
    });
  });
});
