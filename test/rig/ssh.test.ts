/**
 * The real OpenSSH on either side: its client to our server, both our links to its server.
 *
 * Needs `ssh` and `ssh-keyscan` (package openssh-client) and `sshd` (openssh-server); without them
 * the tests are skipped, and say so.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { dir } from 'tmp-promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OpenSshLink } from '../../src/platform/openssh-link.ts';
import { Ssh2Link } from '../../src/platform/ssh2-link.ts';
import {
  SSH_ALGORITHMS,
  generateSshKeyPair,
  sshKeyFingerprint,
} from '../../src/platform/ssh-keys.ts';
import { startSshServer } from '../../src/platform/ssh-server.ts';
import type { SshServer } from '../../src/platform/ssh-server.ts';
import { systemClock } from '../../src/platform/system-clock.ts';
import type { CopyTarget } from '../../src/ports/catalog.ts';
import type { DuplexStream } from '../../src/ports/network.ts';
import type { ReplicationLink } from '../../src/ports/replication-link.ts';
import { PREAMBLE } from '../../src/replication/frame.ts';
import { encodeMessage } from '../../src/replication/messages.ts';
import { LaneRegistry } from '../../src/replication/parcel-queue.ts';
import { receiveCopies } from '../../src/replication/receiver.ts';
import { sendTape } from '../../src/replication/sender.ts';
import type { SendResult } from '../../src/replication/sender.ts';
import { freePort } from '../../harness/rig/free-port.ts';
import { SshdProcess, lackingOpenSsh } from '../../harness/rig/sshd-process.ts';
import { EngineModel } from '../../harness/model/engine-model.ts';
import { ModelStore } from '../../harness/model/model-store.ts';
import { DelayLine } from '../../harness/rig/delay-line.ts';
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
/** The client's connection by one of the transports. */
const connectOver = (
  transport: 'ssh2' | 'openssh',
  endpoint: { readonly address: string; readonly port: number },
  fingerprint: string,
) => {
  const link =
    transport === 'ssh2'
      ? new Ssh2Link({ privateKey: client.privateKey })
      : new OpenSshLink({ identityFile: fileOf('client') });
  const user = 'capstan';
  return link.connect({ server: 'west', ...endpoint, user, hostKey: fingerprint, transport });
};
const source = new EngineModel(new ModelStore());
/** With more than may be under way, so that a copy of it is not over before its first chunks are stored. */
const longSource = new EngineModel(new ModelStore());

beforeAll(async () => {
  folder = await dir({ unsafeCleanup: true });
  writeFileSync(fileOf('client'), client.privateKey, { mode: 0o600 });
  writeFileSync(fileOf('stranger'), stranger.privateKey, { mode: 0o600 });
  await writeTape(source, 60, 100_000);
  await writeTape(longSource, 120, 100_000);
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

  it('goes on while it changes the keys in the middle of data', async () => {
    const stated = `[127.0.0.1]:${server.endpoint.port} ${hostKey.publicKey}`;
    writeFileSync(fileOf('known_hosts'), `${stated}\n`);
    const options = {
      UserKnownHostsFile: fileOf('known_hosts'),
      IdentityFile: fileOf('client'),
      Ciphers: SSH_ALGORITHMS.cipher.join(','),
      RekeyLimit: '1M',
      Port: `${server.endpoint.port}`,
      User: 'capstan',
    };
    const given = Object.entries(options).flatMap((each) => ['-o', each.join('=')]);
    const child = spawn('ssh', ['-F', 'none', ...given, '-s', '127.0.0.1', 'capstan-replication']);
    // Preamble and frames that are no offer: what the server says of them came by way of all that went before.
    const hello = encodeMessage({ kind: 'hello', version: 3, features: 0, serverName: 'east' });
    const pings = Buffer.concat(Array<Uint8Array>(500_000).fill(encodeMessage({ kind: 'ping' })));
    child.stdin.write(Buffer.concat([PREAMBLE, hello, pings]));
    child.stdin.end(encodeMessage({ kind: 'done' }));
    child.stdout.resume();
    await once(child, 'close');
    expect(log.splice(0)).toEqual([
      expect.stringContaining('a done frame came in place of an offer'),
    ]);
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
      // Keys are exchanged anew several times in a copy of 6 MB.
      settings: ['RekeyLimit 1M'],
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

describe.skipIf(!hasClient)('a line that falls silent in the middle of a copy', () => {
  /** Both sides' time, and what ending a connection takes on a busy machine. */
  const SILENCE_MAX_MS = 2000;
  const SLACK_MS = 10_000;

  it.each(['ssh2', 'openssh'] as const)(
    'is ended by both sides in time over %s',
    async (kind) => {
      const received = new TargetServer();
      const log: string[] = [];
      let ended: Promise<void> | undefined;
      const server = await startSshServer({
        hostKey: hostKey.privateKey,
        authorizedKeys: [client.publicKey],
        endpoint: { address: '127.0.0.1', port: 0 },
        onReplication: (stream) => {
          ended = receiveCopies({
            stream,
            receiver: received,
            clock: systemClock,
            serverName: 'west',
            stallTimeoutMs: SILENCE_MAX_MS,
            log: (sentence) => log.push(sentence),
          });
        },
      });
      const line = await DelayLine.open({ to: server.endpoint, delayMs: 1 });
      try {
        let silentAtMs = 0;
        const { addParcels } = received.engine;
        received.engine.addParcels = (parcels) => {
          line.fallSilent();
          silentAtMs ||= performance.now();
          return addParcels.call(received.engine, parcels);
        };
        const stream = await connectOver(kind, line.endpoint, server.hostKeyFingerprint);
        const sending = sendTape({
          stream,
          engine: longSource,
          clock: systemClock,
          offer: OFFER,
          sourceServer: 'east',
          stallTimeoutMs: SILENCE_MAX_MS,
        });
        await expect(sending).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
        expect(silentAtMs).toBeGreaterThan(0);
        expect(performance.now() - silentAtMs).toBeLessThan(SILENCE_MAX_MS + SLACK_MS);
        await ended;
        expect(performance.now() - silentAtMs).toBeLessThan(SILENCE_MAX_MS + SLACK_MS);
        expect(log.join()).toMatch(/silent for 2000 ms|took no data/);
        expect([received.committed, received.abandoned]).toEqual([0, 1]);
      } finally {
        await line.close();
        await server.close();
      }
    },
    60_000,
  );
});

describe.skipIf(!hasClient)('lanes', () => {
  it.each([
    ['ssh2', 1],
    ['openssh', 3],
  ] as const)(
    'of %s go over %i connections',
    async (kind, connectionCount) => {
      const received = new TargetServer();
      const registry = new LaneRegistry();
      const log: string[] = [];
      const server = await startSshServer({
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
            lanes: registry,
            log: (sentence) => log.push(sentence),
          });
        },
      });
      const line = await DelayLine.open({ to: server.endpoint, delayMs: 5 });
      try {
        const stream = await connectOver(kind, line.endpoint, server.hostKeyFingerprint);
        const before = line.connectionCount;
        let opened = 0;
        const open = async (): Promise<DuplexStream> => {
          opened += 1;
          const lane = await stream.another?.();
          if (lane === undefined) throw new Error('There is no other stream.');
          return lane;
        };
        const token = new Uint8Array(16).fill(3);
        // The receiver is slow, so that the lanes are there before the copy is over.
        const { addParcels } = received.engine;
        received.engine.addParcels = async (parcels) => {
          await new Promise((done) => {
            setTimeout(done, 40);
          });
          return addParcels.call(received.engine, parcels);
        };
        const policy = { countMax: 3, trialBytes: 1, frameBytes: 100_200 };
        const result = await sendTape({
          stream,
          engine: source,
          clock: systemClock,
          offer: OFFER,
          sourceServer: 'east',
          stallTimeoutMs: STALL_TIMEOUT_MS,
          lanes: { token, open, policy },
        });
        expect(result).toMatchObject({ outcome: 'copied', chunksSent: 60 });
        expect(opened).toBeGreaterThan(0);
        expect(line.connectionCount - before + 1).toBe(kind === 'ssh2' ? 1 : 1 + opened);
        expect(connectionCount).toBeGreaterThanOrEqual(line.connectionCount - before + 1);
        expect(log).toEqual([]);
      } finally {
        await line.close();
        await server.close();
      }
    },
    60_000,
  );
});
