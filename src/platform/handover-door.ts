/**
 * Where a server takes connections over from `capstan receive`: a Unix socket of mode 0600, at which a process hands in
 * its standard input and output, and then waits.
 *
 * What is said there: the one message with the two descriptors and the peer's name; from the server a byte once the
 * peer has been served to its end. Either side's end is the end of the connection.
 */
import { closeSync } from 'node:fs';
import { Socket, createServer } from 'node:net';
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { KIB } from '../base/units.ts';
import type { DuplexStream } from '../ports/network.ts';
import { listenPath } from './control-socket.ts';
import { PiecesAsTheyCome } from './kept-pieces.ts';
import { nativeModule, translated } from './native-module.ts';
import type { ReceivedDescriptors } from './native-module.ts';
import { NodeDuplex } from './node-duplex.ts';

/** Processes that wait at one time; more are dropped at once. */
const CONNECTIONS_MAX = 64;
/** Read at a time where nobody waits for more: as much as libuv reads of itself; a pipe holds 16 of them. */
const PIECE_BYTES = 64 * KIB;
const SERVED = Uint8Array.of(1);

export interface HandoverDoor {
  /** Takes no more, and drops what there is. */
  close(): Promise<void>;
}

/** `serve` resolves once the stream has ended. Rejects IN_USE where a server answers at `path`, LIMIT_EXCEEDED, DISK_IO. */
export async function openHandoverDoor(
  path: string,
  serve: (stream: DuplexStream) => Promise<void>,
  onNotice: (sentence: string) => void,
): Promise<HandoverDoor> {
  const sockets = new Set<Socket>();
  // Nothing may be read by Node before the descriptors have come: it would lose them.
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // 'close' follows, and says all there is to say.
    socket.on('error', () => {});
    takeOver(socket, serve).catch((error: unknown) => {
      socket.destroy();
      if (!isCapstanError(error)) throw error;
      onNotice(`a connection of capstan receive was dropped: ${error.message}`);
    });
  });
  server.maxConnections = CONNECTIONS_MAX;
  await listenPath(server, path);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

async function takeOver(
  socket: Socket,
  serve: (stream: DuplexStream) => Promise<void>,
): Promise<void> {
  const received = await translated(nativeModule().receiveDescriptors(descriptorOf(socket)));
  if (socket.destroyed) {
    // The door was closed while they were waited for.
    closeSync(received.input);
    closeSync(received.output);
    return;
  }
  const pieces = new Pieces();
  const reader: { stream?: NodeDuplex } = {};
  const [input, output] = socketsOf(received, () => reader.stream?.room ?? pieces.take());
  const stream = new NodeDuplex({
    peer: received.note,
    kept: new PiecesAsTheyCome((bytes) => pieces.takeBack(bytes)),
    readable: input,
    writable: output,
    drop: () => {
      input.destroy();
      output.destroy();
    },
  });
  reader.stream = stream;
  socket.once('close', () => stream.lose('capstan receive was ended'));
  socket.resume();
  await serve(stream);
  if (stream.isLost) socket.destroy();
  else socket.end(SERVED);
  stream.destroy();
}

/** Node tells nobody, but has had the number there since its beginnings. */
function descriptorOf(socket: Socket): number {
  const { _handle: handle } = socket as unknown as { readonly _handle: { readonly fd: number } };
  return handle.fd;
}

/** Memory to read into, used again: to take it anew for each piece costs as much as to read it. */
class Pieces {
  readonly #spares: Uint8Array[] = [];

  take(): Uint8Array {
    return this.#spares.pop() ?? new Uint8Array(PIECE_BYTES);
  }

  takeBack({ buffer }: Uint8Array): void {
    // Others are the reader's own.
    if (buffer.byteLength !== PIECE_BYTES) return;
    this.#spares.push(new Uint8Array(buffer as ArrayBuffer));
  }
}

/** What is read comes as 'data', as of any socket. */
function inputOf(fd: number, memory: () => Uint8Array): Socket {
  const onread = {
    buffer: memory,
    callback: (count: number, bytes: Uint8Array) => socket.emit('data', bytes.subarray(0, count)),
  };
  // Documented for connecting only, but of the constructor it is taken, too.
  const options = { fd, readable: true, writable: false, onread };
  const socket: Socket = new Socket(options);
  return socket;
}

/** INVALID_ARGUMENT for what is neither a pipe nor a socket. */
function socketsOf(
  { input, output }: ReceivedDescriptors,
  memory: () => Uint8Array,
): [Socket, Socket] {
  const opened: Socket[] = [];
  try {
    opened.push(inputOf(input, memory));
    opened.push(new Socket({ fd: output, readable: false, writable: true }));
    return opened as [Socket, Socket];
  } catch (cause) {
    for (const socket of opened) socket.destroy();
    for (const descriptor of [input, output].slice(opened.length)) closeSync(descriptor);
    const what = 'What capstan receive has as standard input and output';
    throw new CapstanError(
      'INVALID_ARGUMENT',
      { what, reason: (cause as Error).message },
      { cause },
    );
  }
}
