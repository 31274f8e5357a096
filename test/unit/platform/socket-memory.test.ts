/** A socket that reads into one memory: every byte in order to its end, and copies for who must keep them. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { expect, it } from 'vitest';
import { readIntoOneMemory } from '../../../src/platform/socket-memory.ts';

it.each([
  ['one memory', false],
  ['memories of their own', true],
])('what comes over an accepted socket lies in %s, whole and to its end', async (_, keeps) => {
  const memories = new Set<ArrayBufferLike>();
  const pieces: Buffer[] = [];
  const server = createServer((socket: Socket) => {
    readIntoOneMemory(socket, () => keeps);
    socket.on('data', (piece: Buffer) => {
      memories.add(piece.buffer);
      pieces.push(Buffer.from(piece));
    });
    socket.on('end', () => socket.end('bye'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const sent = Buffer.from(new Uint8Array(3_000_000).map((_each, index) => index % 251));
    const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
    client.end(sent);
    const [answer] = (await once(client, 'data')) as [Buffer];
    expect([answer.toString(), Buffer.concat(pieces).equals(sent)]).toEqual(['bye', true]);
    expect(pieces.length).toBeGreaterThan(3);
    expect(memories.size > 1).toBe(keeps);
  } finally {
    server.close();
  }
});
