/** Our ciphers in ssh2: packets as RFC 5647 has them, and connections whose keys change while data flows. */
import { createDecipheriv } from 'node:crypto';
import { once } from 'node:events';
import type { ClientChannel } from 'ssh2';
import { describe, expect, it } from 'vitest';
import { nativeModule } from '../../../src/platform/native-module.ts';
import { ssh2 } from '../../../src/platform/ssh2-packets.ts';
import { generateSshKeyPair } from '../../../src/platform/ssh-keys.ts';
import { startSshServer } from '../../../src/platform/ssh-server.ts';
import type { DuplexStream } from '../../../src/ports/network.ts';

const MIB = 1024 * 1024;
const patternAt = (start: number, length: number): Buffer =>
  Buffer.from(new Uint8Array(length).map((_, index) => (start + index) % 251));

/** Opens packets by what the standard says: what each has between padding length and padding. */
function payloadsOf(wire: Buffer, key: Uint8Array, nonce: Uint8Array): Buffer[] {
  const payloads: Buffer[] = [];
  const counted = Buffer.from(nonce);
  for (let at = 0; at < wire.length;) {
    const textBytes = wire.readUInt32BE(at);
    const text = wire.subarray(at + 4, at + 4 + textBytes);
    const cipher = createDecipheriv(
      key.length === 16 ? 'aes-128-gcm' : 'aes-256-gcm',
      key,
      counted,
    );
    cipher.setAAD(wire.subarray(at, at + 4));
    cipher.setAuthTag(wire.subarray(at + 4 + textBytes, at + 20 + textBytes));
    const opened = Buffer.concat([cipher.update(text), cipher.final()]);
    const [paddingBytes = 0] = opened;
    expect(paddingBytes).toBeGreaterThanOrEqual(4);
    payloads.push(opened.subarray(1, textBytes - paddingBytes));
    counted.writeBigUInt64BE(counted.readBigUInt64BE(4) + 1n, 4);
    at += 20 + textBytes;
  }
  return payloads;
}

it.each([16, 32])(
  'data becomes packets that others can open, with a key of %i bytes',
  (keyBytes) => {
    const [key, nonce] = [patternAt(9, keyBytes), patternAt(250, 12)];
    const sealer = new (nativeModule().SshSealer)(key, nonce);
    const data = patternAt(5, 100_000);
    const room = Buffer.alloc(120_000);
    const wire = room.subarray(0, sealer.sealData(3, data, 32_768, room));
    const payloads = payloadsOf(wire, key, nonce);
    expect(payloads.map((each) => [each[0], each.readUInt32BE(1), each.readUInt32BE(5)])).toEqual([
      [94, 3, 32_768],
      [94, 3, 32_768],
      [94, 3, 32_768],
      [94, 3, 100_000 - 3 * 32_768],
    ]);
    expect(Buffer.concat(payloads.map((each) => each.subarray(9))).equals(data)).toBe(true);
  },
);

describe('a connection', () => {
  it('goes on while its keys change in the middle of data, both ways', async () => {
    const client = generateSshKeyPair('client');
    let received = 0;
    let isRight = true;
    const echo = async (stream: DuplexStream): Promise<void> => {
      for (let bytes = await stream.read(); bytes !== undefined; bytes = await stream.read()) {
        isRight &&= patternAt(received, bytes.length).equals(bytes);
        received += bytes.length;
      }
      for (let at = 0; at < 8 * MIB; at += MIB) await stream.write(patternAt(at, MIB));
      await stream.end();
    };
    const server = await startSshServer({
      hostKey: generateSshKeyPair('host').privateKey,
      authorizedKeys: [client.publicKey],
      endpoint: { address: '127.0.0.1', port: 0 },
      onReplication: (stream) => void echo(stream),
    });
    const raw = new ssh2.Client();
    try {
      const { address: host, port } = server.endpoint;
      raw.connect({ host, port, username: 'capstan', privateKey: client.privateKey });
      await once(raw, 'ready');
      const channel = await new Promise<ClientChannel>((resolve, reject) => {
        raw.subsys('capstan-replication', (error: Error | undefined, opened: ClientChannel) => {
          if (error) reject(error);
          else resolve(opened);
        });
      });
      let exchanges = 0;
      raw.on('handshake', () => {
        exchanges += 1;
      });
      const { _protocol: protocol } = raw as unknown as {
        readonly _protocol: { rekey(): void };
      };
      const exchange = (): void => protocol.rekey();
      for (let at = 0; at < 8 * MIB; at += MIB) {
        if (at === 2 * MIB || at === 5 * MIB) exchange();
        if (!channel.write(patternAt(at, MIB))) await once(channel, 'drain');
      }
      channel.end();
      const answer: Buffer[] = [];
      let answered = 0;
      channel.on('data', (bytes: Buffer) => {
        if (answered < MIB && answered + bytes.length >= MIB) exchange();
        answered += bytes.length;
        answer.push(bytes);
      });
      await once(channel, 'end');
      expect([received, isRight]).toEqual([8 * MIB, true]);
      // One that is asked for while another is under way is none.
      expect(exchanges).toBeGreaterThanOrEqual(2);
      const whole = Buffer.concat(Array.from({ length: 8 }, (_, i) => patternAt(i * MIB, MIB)));
      expect(Buffer.concat(answer).equals(whole)).toBe(true);
    } finally {
      // The server need not wait for the end.
      raw.on('error', () => {});
      raw.end();
      await server.close();
    }
  }, 30_000);
});
