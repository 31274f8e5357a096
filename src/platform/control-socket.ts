/**
 * The control socket: how the command line speaks to a running server on the same machine.
 *
 * A Unix stream socket of mode 0600; JSON, a line each. A request is `{id, method, params}`, answered
 * in any order by `{id, result}` or `{id, error: {code, message, fields}}`, and before that by any
 * number of `{id, notification}`. A method may be an upgrade: after its `{id, result}` the connection
 * is raw bytes of another protocol (paused, until the new owner reads). A client that breaks the form
 * is told so once and dropped.
 */
import { unlink } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { CapstanError, ERRORS, isCapstanError } from '../base/errors.ts';
import type { ErrorCode } from '../base/errors.ts';
import { KIB, MIB } from '../base/units.ts';

/** Longest request, bytes; checked before more of it is kept. */
export const REQUEST_BYTES_MAX = 64 * KIB;
/** Longest answer that a client takes, bytes. */
export const ANSWER_BYTES_MAX = 64 * MIB;
/** Clients at a time; one more is dropped. */
export const CLIENT_COUNT_MAX = 64;
/** Requests of one client that may be under way. */
export const PENDING_COUNT_MAX = 32;
/** Longest path of a Unix socket on Linux, bytes: 108 with the NUL behind it. */
export const SOCKET_PATH_BYTES_MAX = 107;
const NEWLINE = 0x0a;

export interface ControlCall {
  readonly method: string;
  readonly params: unknown;
  /** Sends `{id, notification}`; nothing once the client has gone. */
  readonly notify: (notification: unknown) => void;
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal;
}

export interface ControlServerOptions {
  readonly path: string;
  /** Answers a request; a CapstanError becomes its error, anything else INTERNAL. */
  readonly call: (call: ControlCall) => Promise<unknown>;
  /** Takes the connection over after `method` was asked for. */
  readonly upgrades: Readonly<Record<string, (socket: Socket) => void>>;
  /** A fault of the program's own, for the log; the client gets one sentence. */
  readonly onFault: (error: unknown) => void;
}

export interface ControlServer {
  /** Takes no more clients, drops the ones there are and removes the socket. */
  close(): Promise<void>;
}

interface WireError {
  readonly code: string;
  readonly message: string;
  readonly fields?: Readonly<Record<string, string | number>>;
}

/** Throws LIMIT_EXCEEDED, with the remedy, where `path` is longer than a socket's may be. */
export function checkSocketPath(path: string): void {
  const length = Buffer.byteLength(path);
  if (length <= SOCKET_PATH_BYTES_MAX) return;
  throw new CapstanError('LIMIT_EXCEEDED', {
    what: `The length of the control socket's path ${path} (choose a shorter home folder)`,
    value: `${length} bytes`,
    limit: `${SOCKET_PATH_BYTES_MAX} bytes`,
  });
}

/**
 * Listens on `path`. A socket file that nobody answers on is replaced. Rejects IN_USE where a server
 * answers there, LIMIT_EXCEEDED, DISK_IO.
 */
export async function listenControl(options: ControlServerOptions): Promise<ControlServer> {
  checkSocketPath(options.path);
  const sockets = new Set<Socket>();
  // Half-open: an upgraded connection may end its two directions one after the other.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    if (sockets.size >= CLIENT_COUNT_MAX) {
      socket.destroy();
      return;
    }
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    serveClient(socket, options);
  });
  if (await answers(options.path)) throw inUse(options.path);
  try {
    await listen(server, options.path);
  } catch (error) {
    if (errorCode(error) !== 'EADDRINUSE') throw diskError(options.path, error);
    if (await answers(options.path)) throw inUse(options.path);
    await unlink(options.path).catch((cause: unknown) => {
      throw diskError(options.path, cause);
    });
    await listen(server, options.path).catch((cause: unknown) => {
      throw diskError(options.path, cause);
    });
  }
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** Whether a server answers on the socket at `path`. */
export async function answers(path: string): Promise<boolean> {
  checkSocketPath(path);
  try {
    (await connectSocket(path)).destroy();
    return true;
  } catch (error) {
    // Nobody listens, or there is no such file; whatever else is wrong, a later step will say.
    if (isCapstanError(error, 'SERVER_UNREACHABLE')) return false;
    throw error;
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // The socket is made by `listen` itself, so nobody ever sees it with another mode.
    const maskBefore = process.umask(0o177);
    try {
      server.listen(path, () => {
        server.off('error', reject);
        resolve();
      });
    } finally {
      process.umask(maskBefore);
    }
  });
}

function serveClient(socket: Socket, options: ControlServerOptions): void {
  const ended = new AbortController();
  let pendingCount = 0;
  socket.once('close', () => ended.abort());
  // 'close' follows, and says all there is to say.
  socket.on('error', () => {});

  const send = (message: unknown): void => {
    if (socket.writable) socket.write(`${JSON.stringify(message)}\n`);
  };
  const refuse = (reason: string): void => {
    stop();
    const error = new CapstanError('INVALID_ARGUMENT', { what: 'The request', reason });
    socket.end(`${JSON.stringify({ id: null, error: wireError(error) })}\n`, () =>
      socket.destroy(),
    );
  };
  const stop = readLines(socket, REQUEST_BYTES_MAX, {
    onLine: (line, takeOver) => {
      const request = parseRequest(line);
      if (request === undefined) return refuse('it is no line of JSON with id, method and params');
      const { id, method, params } = request;
      const upgrade = Object.hasOwn(options.upgrades, method)
        ? options.upgrades[method]
        : undefined;
      if (upgrade !== undefined) {
        takeOver();
        send({ id, result: {} });
        return upgrade(socket);
      }
      if (pendingCount >= PENDING_COUNT_MAX) return refuse('too many others are under way');
      pendingCount += 1;
      const notify = (notification: unknown): void => send({ id, notification });
      options
        .call({ method, params, notify, signal: ended.signal })
        .then(
          (result) => send({ id, result: result ?? null }),
          (error: unknown) => {
            if (!isCapstanError(error)) options.onFault(error);
            send({ id, error: wireError(error) });
          },
        )
        .finally(() => {
          pendingCount -= 1;
        });
    },
    onTooLong: () => refuse(`it is longer than ${REQUEST_BYTES_MAX} bytes`),
  });
}

interface LineListener {
  /** `takeOver` ends the reading of lines; what came behind the line is given back to the socket. */
  readonly onLine: (line: string, takeOver: () => void) => void;
  readonly onTooLong: () => void;
}

/** Cuts what comes into lines; returns what stops it. No more than `bytesMax` of a line is kept. */
function readLines(socket: Socket, bytesMax: number, listener: LineListener): () => void {
  let parts: Buffer[] = [];
  let partBytes = 0;
  const state = { reading: true };
  const stop = (): void => {
    state.reading = false;
    parts = [];
    socket.off('data', onData);
    socket.off('end', onEnd);
  };
  const onEnd = (): void => {
    socket.end();
  };
  const onData = (bytes: Buffer): void => {
    let from = 0;
    while (state.reading && from < bytes.length) {
      const end = bytes.indexOf(NEWLINE, from);
      const part = bytes.subarray(from, end < 0 ? bytes.length : end);
      partBytes += part.length;
      if (partBytes > bytesMax) {
        stop();
        return listener.onTooLong();
      }
      parts.push(part);
      if (end < 0) return;
      const line = Buffer.concat(parts).toString('utf8');
      parts = [];
      partBytes = 0;
      from = end + 1;
      listener.onLine(line, () => {
        stop();
        socket.pause();
        if (from < bytes.length) socket.unshift(bytes.subarray(from));
        from = bytes.length;
      });
    }
  };
  socket.on('data', onData);
  socket.on('end', onEnd);
  return stop;
}

function parseRequest(
  line: string,
): { readonly id: number; readonly method: string; readonly params: unknown } | undefined {
  const message = parseJson(line);
  if (message === undefined) return undefined;
  const { id, method, params } = message;
  if (!Number.isSafeInteger(id) || typeof method !== 'string') return undefined;
  return { id: id as number, method, params: params ?? {} };
}

function parseJson(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function wireError(error: unknown): WireError {
  if (isCapstanError(error)) {
    return { code: error.code, message: error.message, fields: error.fields };
  }
  return { code: 'INTERNAL', message: "A fault of the server's own; its log says more." };
}

/** What the other side said went wrong, as the error that it was there. */
function errorOf(value: unknown): Error {
  const { code, message, fields } = (value ?? {}) as Partial<WireError>;
  if (code !== undefined && Object.hasOwn(ERRORS, code) && fields !== undefined) {
    return new CapstanError(code as ErrorCode, fields);
  }
  return new Error(message ?? 'The server answered with an error without a message.');
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

function diskError(path: string, cause: unknown): CapstanError {
  return new CapstanError('DISK_IO', { place: path, what: errorCode(cause) ?? '' }, { cause });
}

function inUse(path: string): CapstanError {
  return new CapstanError('IN_USE', {
    kind: 'control socket',
    name: path,
    by: 'a server answers there already',
  });
}

function connectSocket(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: true });
    socket.once('connect', () => {
      socket.off('error', onError);
      resolve(socket);
    });
    const onError = (cause: Error): void => {
      const reason = errorCode(cause) === 'EACCES' ? 'it belongs to another user' : cause.message;
      reject(new CapstanError('SERVER_UNREACHABLE', { path, reason }, { cause }));
    };
    socket.once('error', onError);
  });
}

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly onNotification: ((notification: unknown) => void) | undefined;
  readonly isUpgrade: boolean;
}

/** A client's connection; calls may overlap. */
export class ControlClient {
  readonly #socket: Socket;
  readonly #path: string;
  readonly #pending = new Map<number, Pending>();
  #id = 0;

  private constructor(socket: Socket, path: string) {
    this.#socket = socket;
    this.#path = path;
    const stop = readLines(socket, ANSWER_BYTES_MAX, {
      onLine: (line, takeOver) => this.#answer(line, takeOver),
      onTooLong: () => socket.destroy(),
    });
    socket.once('close', () => {
      stop();
      this.#fail('the server ended the connection');
    });
    // 'close' follows.
    socket.on('error', () => {});
  }

  /** Rejects SERVER_UNREACHABLE. */
  static async connect(path: string): Promise<ControlClient> {
    checkSocketPath(path);
    return new ControlClient(await connectSocket(path), path);
  }

  /** Rejects with the server's CapstanError; SERVER_UNREACHABLE where the connection is lost. */
  call(
    method: string,
    params: unknown,
    onNotification?: (notification: unknown) => void,
  ): Promise<unknown> {
    return this.#request(method, params, { onNotification, isUpgrade: false });
  }

  /** The connection as raw bytes, once the server has agreed to `method`. Nothing else is under way. */
  async upgrade(method: string): Promise<Socket> {
    await this.#request(method, {}, { onNotification: undefined, isUpgrade: true });
    return this.#socket;
  }

  close(): void {
    this.#socket.destroy();
  }

  #request(
    method: string,
    params: unknown,
    rest: Pick<Pending, 'onNotification' | 'isUpgrade'>,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#id += 1;
      this.#pending.set(this.#id, { resolve, reject, ...rest });
      if (this.#socket.writable) {
        this.#socket.write(`${JSON.stringify({ id: this.#id, method, params })}\n`);
      } else {
        this.#fail('the server ended the connection');
      }
    });
  }

  #answer(line: string, takeOver: () => void): void {
    const message = parseJson(line);
    if (message === undefined) return this.#fail('it answered with rubbish');
    const { id, result, error, notification } = message;
    // An error without an id is about a request that could not be read.
    if (id === null) return this.#fail(errorOf(error).message);
    const pending = this.#pending.get(Number(id));
    if (pending === undefined) return undefined;
    if (notification !== undefined) return pending.onNotification?.(notification);
    this.#pending.delete(Number(id));
    if (error !== undefined) return pending.reject(errorOf(error));
    if (pending.isUpgrade) takeOver();
    return pending.resolve(result);
  }

  #fail(reason: string): void {
    const error = new CapstanError('SERVER_UNREACHABLE', { path: this.#path, reason });
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
  }
}
