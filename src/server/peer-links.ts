/**
 * This server's sessions with the others that share vaults: those that it opens, to each that it knows, and
 * those that it takes. One that is lost is opened anew; the other server learns which mounts are still had.
 */
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { IscSession } from '../isc/session.ts';
import type { IscReply } from '../isc/session.ts';
import type { PeerRow } from '../ports/catalog-shared.ts';
import type { DuplexStream } from '../ports/network.ts';
import { reasonOf } from './context.ts';
import type { ServerContext } from './context.ts';
import { ask } from './isc-messages.ts';
import type { RemoteMounts } from './remote-mounts.ts';

/** Another server, and this server's session with it. */
export interface PeerLink {
  peer: PeerRow;
  session: IscSession | undefined;
  /** Identities of the vaults that it keeps, by name. */
  keeps: Readonly<Record<string, string>>;
  /** Why there is no session. */
  reason: string;
  connecting: boolean;
  /** How often it has been said how it is reached: what was begun before is dropped. */
  renewals: number;
}

export interface PeerLinksOptions {
  readonly context: ServerContext;
  /** A session whose other side was not heard for so long is over. */
  readonly silenceMs: number;
  /** Tapes here that other servers have open. */
  readonly mounts: RemoteMounts;
  readonly onNote: (method: string, parameters: unknown, server: string) => Promise<void>;
  readonly onConnected: () => void;
  /** A session that this server had opened is over. */
  readonly onLost: (server: string, session: IscSession) => void;
}

const REACHED_OTHERWISE = 'it is reached otherwise now';

type Handlers = Pick<ConstructorParameters<typeof IscSession>[0], 'onCall' | 'onNote' | 'onEnd'>;

export class PeerLinks {
  readonly #options: PeerLinksOptions;
  readonly #context: ServerContext;
  readonly #links = new Map<string, PeerLink>();
  readonly #sessions = new Set<IscSession>();
  #stopping = false;

  constructor(options: PeerLinksOptions) {
    this.#options = options;
    this.#context = options.context;
  }

  get all(): readonly PeerLink[] {
    return [...this.#links.values()];
  }

  get(server: string): PeerLink | undefined {
    return this.#links.get(server);
  }

  /** Has a session over a stream. */
  open(stream: DuplexStream, handlers: Handlers): IscSession {
    const { clock } = this.#context.ports;
    const { silenceMs } = this.#options;
    const session: IscSession = new IscSession({
      stream,
      clock,
      silenceMs,
      onNote: handlers.onNote,
      onCall: async (method, parameters, data): Promise<IscReply> => {
        try {
          return await handlers.onCall(method, parameters, data);
        } catch (error) {
          if (!isCapstanError(error) && !isZodError(error)) {
            this.#context.emit({ kind: 'fault', what: `ISC ${method}`, reason: reasonOf(error) });
          }
          throw error;
        }
      },
      onEnd: (reason) => {
        this.#sessions.delete(session);
        handlers.onEnd(reason);
      },
    });
    this.#sessions.add(session);
    return session;
  }

  /** Has the links be those of the servers that are known, and ends the others' sessions. */
  async refresh(): Promise<void> {
    const peers = await this.#context.ports.catalog.listPeers();
    for (const peer of peers) {
      const link = this.#links.get(peer.server);
      if (link !== undefined) link.peer = peer;
      else {
        const fresh = {
          peer,
          session: undefined,
          keeps: {},
          reason: '',
          connecting: false,
          renewals: 0,
        };
        this.#links.set(peer.server, fresh);
      }
    }
    for (const [server, link] of this.#links) {
      if (peers.some((peer) => peer.server === server)) continue;
      this.#links.delete(server);
      link.session?.end('it is not among the servers any more');
    }
  }

  /** A server is reached otherwise now: its session ends, and one that is being opened is not to be. */
  renew(server: string): void {
    const link = this.#links.get(server);
    if (link === undefined) return;
    link.renewals += 1;
    link.session?.end(REACHED_OTHERWISE);
  }

  /** The server that keeps a vault of that name, and the vault's identity. */
  keeperOf(vault: string): { readonly server: string; readonly id: string } | undefined {
    for (const { peer, session, keeps } of this.#links.values()) {
      const id = session === undefined ? undefined : keeps[vault];
      if (id !== undefined) return { server: peer.server, id };
    }
    return undefined;
  }

  /** Connects what is not connected. */
  connect(): void {
    for (const link of this.#links.values()) this.#connect(link);
  }

  /** From here on no session is opened. */
  prepareToStop(): void {
    this.#stopping = true;
  }

  stop(): void {
    this.#stopping = true;
    const leaving = [...this.#sessions];
    for (const session of leaving) session.end('the server stops');
  }

  #connect(link: PeerLink): void {
    if (link.session !== undefined || link.connecting) return;
    link.connecting = true;
    this.#context.background(`connect to ${link.peer.server}`, async () => {
      try {
        await this.#greet(link);
      } catch (error) {
        if (!isCapstanError(error)) throw error;
        link.reason = error.message;
      } finally {
        link.connecting = false;
      }
    });
  }

  async #greet(link: PeerLink): Promise<void> {
    const { server } = link.peer;
    const { serverName } = this.#context.settings;
    const { renewals } = link;
    // It may be removed, or reached otherwise, while it is being reached.
    const isWanted = (): boolean =>
      !this.#stopping && this.#links.get(server) === link && link.renewals === renewals;
    const stream = await this.#context.ports.link.connect(link.peer, 'isc');
    if (!isWanted()) return stream.destroy();
    const session = this.open(stream, {
      onCall: (method) => {
        const fields = { peer: serverName, what: method, reason: 'calls go the other way' };
        return Promise.reject(new CapstanError('PEER_REFUSED', fields));
      },
      onNote: (method, parameters) => this.#options.onNote(method, parameters, server),
      onEnd: (reason) => this.#lost(link, session, reason),
    });
    let held: readonly string[];
    try {
      const mounts = this.#options.mounts.claims(server);
      const { answer } = await ask(session, 'hello', { server: serverName, mounts });
      if (answer.server !== server) {
        const fields = { peer: server, what: 'hello', reason: `it is ${answer.server}` };
        throw new CapstanError('PEER_REFUSED', fields);
      }
      if (!isWanted()) session.end(REACHED_OTHERWISE);
      // A session that has ended meanwhile is none that a mount could go on in.
      if (session.ended) return undefined;
      link.keeps = answer.vaults;
      held = answer.mounts;
    } catch (error) {
      session.end('it was not greeted');
      throw error;
    }
    link.session = session;
    link.reason = '';
    this.#options.mounts.resume({ server, session }, held);
    await this.#context.eventLog.log('ISC_CONNECTED', { server });
    this.#options.onConnected();
    return undefined;
  }

  #lost(link: PeerLink, session: IscSession, reason: string): void {
    link.reason = reason;
    this.#options.mounts.suspend(session);
    if (link.session !== session) return;
    const { server } = link.peer;
    link.session = undefined;
    link.keeps = {};
    if (!this.#stopping) this.#context.eventLog.report('ISC_LOST', { server, reason });
    this.#options.onLost(server, session);
  }
}

function isZodError(error: unknown): boolean {
  return error instanceof Error && error.name === 'ZodError';
}
