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
import type { DuplexStream } from '../ports/network.ts';
import { listenPath } from './control-socket.ts';
import { nativeModule, translated } from './native-module.ts';
import type { ReceivedDescriptors } from './native-module.ts';
import { NodeDuplex } from './node-duplex.ts';

/** Processes that wait at one time; more are dropped at once. */
const CONNECTIONS_MAX = 64;
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
  const [input, output] = socketsOf(received);
  const stream = new NodeDuplex({
    peer: received.note,
    readable: input,
    writable: output,
    drop: () => {
      input.destroy();
      output.destroy();
    },
  });
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

/** INVALID_ARGUMENT for what is neither a pipe nor a socket. */
function socketsOf({ input, output }: ReceivedDescriptors): [Socket, Socket] {
  const opened: Socket[] = [];
  try {
    opened.push(new Socket({ fd: input, readable: true, writable: false }));
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
