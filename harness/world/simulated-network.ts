/**
 * The network of the simulated world: addresses, listeners, and a {@link Wire} between any two.
 *
 * A listener belongs to a life and is gone with it; a connection that finds no listener is refused.
 * Connecting over a stalled wire waits and is given up after {@link CONNECT_TIMEOUT_MS}, as TCP does.
 */
import { CapstanError } from '../../src/base/errors.ts';
import type { DuplexStream, Endpoint, Listener, Network } from '../../src/ports/network.ts';
import type { Life } from './life.ts';
import type { SimulatedClock } from './simulated-clock.ts';
import { Connection } from './simulated-stream.ts';
import type { SimulatedStream } from './simulated-stream.ts';
import { Wire } from './simulated-wire.ts';
import type { Trace } from './trace.ts';

/** How long a connection attempt over a silent wire lasts. */
const CONNECT_TIMEOUT_MS = 30_000;
/** First of the ports that are given out where 0 is asked for. */
const EPHEMERAL_PORT_FIRST = 49_152;

/** The network of one process. */
export interface SimulatedPort extends Network {
  connect(endpoint: Endpoint): Promise<SimulatedStream>;
}

interface Listening {
  readonly life: Life;
  readonly onConnection: (stream: DuplexStream) => void;
}

/** Speed of a wire between two machines of one data centre, and of two. */
const WIRE_SPEED = { latencyMs: 1, bytesPerMs: 20_000 } as const;

const placeOf = (endpoint: Endpoint): string => `${endpoint.address}:${endpoint.port}`;

export class SimulatedNetwork {
  readonly #clock: SimulatedClock;
  readonly #trace: Trace;
  readonly #listeners = new Map<string, Listening>();
  readonly #wires = new Map<string, Wire>();
  #portNext = EPHEMERAL_PORT_FIRST;

  constructor(clock: SimulatedClock, trace: Trace) {
    this.#clock = clock;
    this.#trace = trace;
  }

  /** The wire between two addresses, in whichever order. */
  wire(left: string, right: string): Wire {
    const name = [left, right].toSorted().join('-');
    const known = this.#wires.get(name);
    if (known !== undefined) return known;
    const wire = new Wire(name, this.#trace, WIRE_SPEED);
    this.#wires.set(name, wire);
    return wire;
  }

  /** The network as a process sees it that lives on `address`. */
  port(address: string, life: Life): SimulatedPort {
    return {
      connect: (endpoint) => life.call(() => this.#connect(address, life, endpoint)),
      listen: (endpoint, onConnection) =>
        life.call(() => this.#listen({ ...endpoint, address }, { life, onConnection })),
    };
  }

  async #listen(asked: Endpoint, listening: Listening): Promise<Listener> {
    const endpoint = { ...asked, port: asked.port || this.#portNext };
    if (asked.port === 0) this.#portNext += 1;
    const place = placeOf(endpoint);
    if (this.#listeners.has(place)) {
      throw new CapstanError('IN_USE', { kind: 'address', name: place, by: 'another process' });
    }
    this.#listeners.set(place, listening);
    const close = (): void => {
      if (this.#listeners.get(place) === listening) this.#listeners.delete(place);
    };
    listening.life.onEnd(close);
    return {
      endpoint,
      close: () => {
        close();
        return Promise.resolve();
      },
    };
  }

  #connect(from: string, life: Life, to: Endpoint): Promise<SimulatedStream> {
    const wire = this.wire(from, to.address);
    const refusal = (reason: string): CapstanError =>
      new CapstanError('CONNECTION_REFUSED', { peer: placeOf(to), reason });
    return new Promise((resolve, reject) => {
      let pending = true;
      const finish = (): void => {
        if (!pending) return;
        pending = false;
        cancelTimeout();
        const listening = this.#listeners.get(placeOf(to));
        if (listening === undefined) return reject(refusal('nobody listens there'));
        if (life.ended) return undefined;
        const connection = new Connection(this.#clock, wire, {
          near: { life, peer: placeOf(to) },
          far: { life: listening.life, peer: from },
        });
        listening.onConnection(connection.far);
        return resolve(connection.near);
      };
      const cancelTimeout = this.#clock.after(CONNECT_TIMEOUT_MS, () => {
        if (!pending) return;
        pending = false;
        reject(refusal('it did not answer in time'));
      });
      this.#clock.after(2 * wire.latencyMs, () => {
        if (wire.state !== 'down') return wire.whenUp(finish);
        pending = false;
        cancelTimeout();
        return reject(refusal('there is no way to it'));
      });
    });
  }
}
