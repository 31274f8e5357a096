/**
 * A line for tests and measurements: a TCP proxy that brings every byte a fixed time late, each way, and that
 * can fall silent, as a line does that swallows everything and tells nobody.
 *
 * What is on the way is kept here, so that the delay costs no throughput: at most LINE_BYTES_MAX each way.
 */
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { MIB } from '../../src/base/units.ts';
import type { Endpoint } from '../../src/ports/network.ts';

/** Enough for 1.2 GB/s over 50 ms. */
const LINE_BYTES_MAX = 64 * MIB;

export interface DelayLineOptions {
  readonly to: Endpoint;
  /** Of each direction; a round trip takes twice that. */
  readonly delayMs: number;
}

export class DelayLine {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #options: DelayLineOptions;
  #silent = false;
  /** Connections so far. */
  connectionCount = 0;

  private constructor(options: DelayLineOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true }, (near) => this.#join(near));
  }

  static async open(options: DelayLineOptions): Promise<DelayLine> {
    const line = new DelayLine(options);
    await new Promise<void>((resolve) => {
      line.#server.listen(0, '127.0.0.1', resolve);
    });
    return line;
  }

  get endpoint(): Endpoint {
    const { address, port } = this.#server.address() as AddressInfo;
    return { address, port };
  }

  /** From now on nothing arrives any more, either way, and nobody is told. */
  fallSilent(): void {
    this.#silent = true;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }

  #join(near: Socket): void {
    this.connectionCount += 1;
    const { address, port } = this.#options.to;
    const far = connect({ host: address, port, noDelay: true });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from);
      this.#carry(from, to);
    }
  }

  #carry(from: Socket, to: Socket): void {
    let onTheWayBytes = 0;
    const later = (deliver: () => void): void => {
      setTimeout(() => {
        if (!this.#silent) deliver();
      }, this.#options.delayMs);
    };
    from.on('data', (bytes) => {
      onTheWayBytes += bytes.length;
      if (onTheWayBytes > LINE_BYTES_MAX) from.pause();
      later(() => {
        to.write(bytes, () => {
          onTheWayBytes -= bytes.length;
          from.resume();
        });
      });
    });
    from.on('end', () => later(() => to.end()));
    from.on('error', () => from.destroy());
    from.on('close', () => {
      this.#sockets.delete(from);
      later(() => to.destroy());
    });
  }
}
