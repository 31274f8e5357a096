/**
 * A socket that reads into memory of ours.
 *
 * Node reads each 64 KiB into a new buffer, which counts until a thread of V8's has freed it: hundreds of MiB a second
 * make V8 take its heap for full, and walk through it. For sockets that connect Node has `onread`; one that a server has
 * accepted gets here what that option sets. The names are Node's own: where it has others, all stays as it was.
 */
import type { Socket } from 'node:net';
import { KIB } from '../base/units.ts';
import { noteBuffers } from './buffer-memory.ts';

const MEMORY_BYTES = 256 * KIB;

type OnRead = (count: number, memory: Uint8Array) => boolean;

/**
 * From now on each 'data' event of the socket brings a piece of one memory that the next may write over; `mustKeep` says
 * whether a piece has to be one that can be kept.
 */
export function readIntoOneMemory(socket: Socket, mustKeep: () => boolean): void {
  const symbols = Object.getOwnPropertySymbols(socket);
  const symbolOf = (name: string) => symbols.find(({ description }) => description === name);
  const [memoryKey, onReadKey] = [symbolOf('kBuffer'), symbolOf('kBufferCb')];
  const { _handle: handle } = socket as unknown as {
    readonly _handle?: { useUserBuffer?(memory: Uint8Array): void };
  };
  if (memoryKey === undefined || onReadKey === undefined || handle?.useUserBuffer === undefined) {
    socket.on('data', ({ length }) => noteBuffers(length));
    return;
  }
  const memory = Buffer.alloc(MEMORY_BYTES);
  const onRead: OnRead = (count) => {
    const piece = memory.subarray(0, count);
    socket.emit('data', mustKeep() ? Buffer.from(piece) : piece);
    return true;
  };
  Object.assign(socket, { [memoryKey]: memory, [onReadKey]: onRead });
  handle.useUserBuffer(memory);
}
