/**
 * Shared vaults: the inter-system communication (ISC) between the servers that share them.
 *
 * A server has a session with each of the others (`isc.add`). Whoever can open a shared vault's store keeps
 * the vault; the others are its guests through their session with the keeper, and try to keep it themselves
 * as soon as that ends. What arbitrates is the lock of the store's file alone: no clock, no vote, no word of
 * another server. A server that dies loses it with its process, or with its machine once the file system
 * has fenced that off; one that is only cut off keeps it, and the vault.
 *
 * @source VTS 6.04.01 p. 187, 6.04.03 p. 43 (GFS, ISC) and `ems_InterSystemCommunication_hosts`; how it is done is ours
 */
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { SECOND_MS } from '../base/units.ts';
import { IscSession } from '../isc/session.ts';
import type { IscReply } from '../isc/session.ts';
import type { TapeRow, VaultRow } from '../ports/catalog.ts';
import type { PeerRow } from '../ports/catalog-shared.ts';
import type { Cancel } from '../ports/clock.ts';
import type { DuplexStream } from '../ports/network.ts';
import { reasonOf } from './context.ts';
import type { ServerContext } from './context.ts';
import { GuestVault, ask } from './isc-guest.ts';
import type { GuestMountRequest, RemoteMount } from './isc-guest.ts';
import { IscKeeper } from './isc-keeper.ts';
import type { Guest, IscKeeperOptions } from './isc-keeper.ts';
import { ISC_NOTES } from './isc-messages.ts';
import type { IscNote } from './isc-messages.ts';
import { queueUncopied } from './copy-queue.ts';
import { finishMoves } from './tape-moves.ts';

export interface IscPolicy {
  /** A session whose other side was not heard for so long is over. */
  readonly silenceMs: number;
  /** From one attempt to connect, or to open a vault, to the next. */
  readonly retryMs: number;
}

export const ISC_POLICY: IscPolicy = { silenceMs: 15 * SECOND_MS, retryMs: 2 * SECOND_MS };

export interface SharedVaultsOptions extends Omit<IscKeeperOptions, 'onAnswered'> {
  /** Ends the mounts of a vault whose keeper is gone. */
  readonly interruptMounts: (vault: string) => Promise<void>;
  /** Another server satisfied a request of a host. */
  readonly onAnswered: (host: string, requestNumber: number, server: string) => void;
  /** Requests that a server satisfied which is gone now may be open. */
  readonly onServerLost: (server: string) => void;
}

/** Another server, and this server's session with it. */
interface PeerLink {
  peer: PeerRow;
  session: IscSession | undefined;
  /** Identities of the vaults that it keeps, by name. */
  keeps: Readonly<Record<string, string>>;
  /** Why there is no session. */
  reason: string;
  connecting: boolean;
}

export interface PeerStatus extends PeerRow {
  readonly state: string;
  readonly keeps: readonly string[];
  /** Tapes that it has from here. */
  readonly mounted: readonly string[];
}

export class SharedVaults {
  readonly #options: SharedVaultsOptions;
  readonly #context: ServerContext;
  readonly #policy: IscPolicy;
  readonly #keeper: IscKeeper;
  readonly #links = new Map<string, PeerLink>();
  readonly #guests = new Map<string, GuestVault>();
  readonly #sessions = new Set<IscSession>();
  /** Vaults that are being opened, or whose keeper is being asked for rows. */
  readonly #settling = new Set<string>();
  /** Names whose keeper is the wrong vault, or that cannot be opened: told of once. */
  readonly #told = new Map<string, string>();
  #cancelLook: Cancel = () => {};
  #stopping = false;

  constructor(options: SharedVaultsOptions) {
    this.#options = options;
    this.#context = options.context;
    this.#policy = { ...ISC_POLICY, ...options.context.settings.isc };
    this.#keeper = new IscKeeper(options);
  }

  /** Connects to the other servers, and keeps the vaults that nobody else does. */
  async start(): Promise<void> {
    for (const vault of this.#context.keeping.kept.keys()) {
      await this.#context.eventLog.log('SHARED_VAULT_KEPT', { vault });
    }
    await this.#refreshPeers();
    await this.look();
  }

  stop(): Promise<void> {
    this.#stopping = true;
    this.#cancelLook();
    const leaving = [...this.#sessions];
    for (const session of leaving) session.end('the server stops');
    // What the ends of the sessions set in motion is done before anything is closed.
    return this.#context.decisions.run(async () => {});
  }

  /** A session that another server opens. */
  accept(stream: DuplexStream): void {
    if (this.#stopping) {
      stream.destroy();
      return;
    }
    const guest: Guest = {
      server: undefined,
      session: () => session,
      mounts: new Map(),
      vaults: new Set(),
      pages: new Map(),
      gone: false,
    };
    this.#keeper.add(guest);
    const session = this.#open(stream, {
      onCall: (method, parameters, data) => this.#keeper.call(guest, method, parameters, data),
      onNote: (method, parameters) => this.#hear(method, parameters, guest.server),
      onEnd: () =>
        this.#context.background('end the mounts of another server', () =>
          this.#keeper.leave(guest),
        ),
    });
  }

  #open(
    stream: DuplexStream,
    handlers: Pick<ConstructorParameters<typeof IscSession>[0], 'onCall' | 'onNote' | 'onEnd'>,
  ): IscSession {
    const { clock } = this.#context.ports;
    const { silenceMs } = this.#policy;
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

  /** Notes are about what the sender is sure of; those that are no notes end nothing. */
  async #hear(method: string, given: unknown, server: string | undefined): Promise<void> {
    if (!Object.hasOwn(ISC_NOTES, method) || server === undefined) return;
    switch (method as IscNote) {
      case 'keeps': {
        const { vaults } = ISC_NOTES.keeps.parse(given);
        const link = this.#links.get(server);
        if (link !== undefined) link.keeps = vaults;
        const lost = [...this.#guests.values()].filter(
          (guest) => guest.keeper === server && vaults[guest.name] === undefined,
        );
        for (const { name } of lost) this.leave(name);
        this.#context.background('go on with the shared vaults', async () => {
          for (const { name } of lost) await this.#options.interruptMounts(name);
          await this.look();
        });
        return;
      }
      case 'changed': {
        const { vault, records } = ISC_NOTES.changed.parse(given);
        const guest = this.#guests.get(vault);
        if (guest?.keeper === server) await guest.hear(records);
        return;
      }
      case 'answered': {
        const { host, requestNumber } = ISC_NOTES.answered.parse(given);
        this.#options.onAnswered(host, requestNumber, server);
        return;
      }
      default:
    }
  }

  /** A request of a host was satisfied here: the others need not wait for it any more. */
  tellAnswered(host: string, requestNumber: number): void {
    const only = this.#context.settings.interSystemServers ?? [];
    for (const { peer, session } of this.#links.values()) {
      if (only.length > 0 && !only.includes(peer.server)) continue;
      session?.note('answered', { host, requestNumber });
    }
  }

  /** Adds another server, or changes how it is reached. */
  async addPeer(peer: PeerRow): Promise<PeerRow> {
    await this.#context.ports.catalog.putPeer(peer);
    this.#links.get(peer.server)?.session?.end('it is reached otherwise now');
    await this.#refreshPeers();
    await this.look();
    return peer;
  }

  /** NOT_FOUND. */
  async removePeer(server: string): Promise<void> {
    await this.#context.ports.catalog.deletePeer(server);
    await this.#refreshPeers();
  }

  async #refreshPeers(): Promise<void> {
    const peers = await this.#context.ports.catalog.listPeers();
    for (const peer of peers) {
      const link = this.#links.get(peer.server);
      if (link !== undefined) link.peer = peer;
      else {
        const fresh = { peer, session: undefined, keeps: {}, reason: '', connecting: false };
        this.#links.set(peer.server, fresh);
      }
    }
    for (const [server, link] of this.#links) {
      if (peers.some((peer) => peer.server === server)) continue;
      this.#links.delete(server);
      link.session?.end('it is not among the servers any more');
    }
  }

  /** Every other server, with its session. */
  async status(): Promise<readonly PeerStatus[]> {
    // Offline nobody has looked for them.
    await this.#refreshPeers();
    const guests = this.#keeper.guests;
    const stateOf = ({ session, reason }: PeerLink): string =>
      session === undefined ? `not connected${reason === '' ? '' : `: ${reason}`}` : 'connected';
    return [...this.#links.values()].map((link) => ({
      ...link.peer,
      state: stateOf(link),
      keeps: Object.keys(link.keeps).toSorted(),
      mounted: guests.find((each) => each.server === link.peer.server)?.tapes ?? [],
    }));
  }

  /** The server that keeps a vault of that name, and the vault's identity. */
  keeperOf(vault: string): { readonly server: string; readonly id: string } | undefined {
    for (const { peer, session, keeps } of this.#links.values()) {
      const id = session === undefined ? undefined : keeps[vault];
      if (id !== undefined) return { server: peer.server, id };
    }
    return undefined;
  }

  #lookSoon(): void {
    this.#context.background('look at the shared vaults', () => this.look());
  }

  /** Connects what is not connected, and has every shared vault be kept, or be a guest's. */
  async look(): Promise<void> {
    if (this.#stopping || this.#context.settings.offline === true) return;
    this.#cancelLook();
    for (const link of this.#links.values()) this.#connect(link);
    const shared = (await this.#context.ports.catalog.listVaults()).filter(
      ({ sharedId }) => sharedId !== undefined,
    );
    for (const row of shared) await this.#settle(row);
    if (this.#links.size === 0 && shared.length === 0) return;
    if (this.#stopping) return;
    this.#cancelLook();
    this.#cancelLook = this.#context.ports.clock.after(this.#policy.retryMs, () =>
      this.#lookSoon(),
    );
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
    const stream = await this.#context.ports.link.connect(link.peer, 'isc');
    if (this.#stopping) return stream.destroy();
    const session = this.#open(stream, {
      onCall: (method) => {
        const fields = { peer: serverName, what: method, reason: 'calls go the other way' };
        return Promise.reject(new CapstanError('PEER_REFUSED', fields));
      },
      onNote: (method, parameters) => this.#hear(method, parameters, server),
      onEnd: (reason) => this.#lost(link, session, reason),
    });
    try {
      const { answer } = await ask(session, 'hello', { server: serverName });
      if (answer.server !== server) {
        const fields = { peer: server, what: 'hello', reason: `it is ${answer.server}` };
        throw new CapstanError('PEER_REFUSED', fields);
      }
      link.keeps = answer.vaults;
    } catch (error) {
      session.end('it was not greeted');
      throw error;
    }
    link.session = session;
    link.reason = '';
    await this.#context.eventLog.log('ISC_CONNECTED', { server });
    this.#lookSoon();
    return undefined;
  }

  #lost(link: PeerLink, session: IscSession, reason: string): void {
    link.reason = reason;
    if (link.session !== session) return;
    const { server } = link.peer;
    link.session = undefined;
    link.keeps = {};
    const vaults = [...this.#guests.values()].filter((guest) => guest.session === session);
    for (const { name } of vaults) this.leave(name);
    if (this.#stopping) return;
    this.#context.eventLog.report('ISC_LOST', { server, reason });
    this.#context.background(`go on without ${server}`, async () => {
      for (const { name } of vaults) await this.#options.interruptMounts(name);
      this.#options.onServerLost(server);
      await this.look();
    });
  }

  /** A vault that is not kept here gets its keeper's rows, or this server keeps it. */
  async #settle(row: VaultRow): Promise<void> {
    const { name } = row;
    const { keeping, decisions } = this.#context;
    if (keeping.isKept(name) || this.#guests.has(name) || this.#settling.has(name)) return;
    this.#settling.add(name);
    try {
      const keeper = this.keeperOf(name);
      if (keeper !== undefined && keeper.id === row.sharedId) {
        await this.#visit(name, keeper.server);
        return;
      }
      if (keeper !== undefined) {
        throw new CapstanError('INVALID_ARGUMENT', {
          what: `Vault ${name} of ${keeper.server}`,
          reason: 'it is another shared vault of the same name',
        });
      }
      await decisions.run(() => this.#keep(row));
      this.#told.delete(name);
    } catch (error) {
      if (!isCapstanError(error)) throw error;
      if (this.#told.get(name) === error.message || this.#stopping) return;
      this.#told.set(name, error.message);
      await this.#context.eventLog.log('VAULT_NOT_OPENED', { vault: name, reason: error.message });
    } finally {
      this.#settling.delete(name);
    }
  }

  /** Within a decision. */
  async #keep(row: VaultRow): Promise<void> {
    const { context, vaults, onReleased } = this.#options;
    if (this.#stopping) return;
    const finish = (): Promise<void> => finishMoves(context, vaults, row.name);
    if (!(await vaults.keep(row, finish))) return;
    await context.eventLog.log('SHARED_VAULT_KEPT', { vault: row.name });
    await queueUncopied(context, row.name);
    this.#keeper.announce();
    onReleased();
    this.#options.autocopy.wake();
  }

  async #visit(name: string, server: string): Promise<void> {
    const session = this.#links.get(server)?.session;
    if (session === undefined) return;
    const guest = new GuestVault({
      context: this.#context,
      name,
      keeper: server,
      session,
      onChanged: this.#options.onReleased,
    });
    this.#guests.set(name, guest);
    try {
      await guest.load();
    } catch (error) {
      if (this.#guests.get(name) === guest) this.#guests.delete(name);
      if (isCapstanError(error, 'CONNECTION_LOST')) return;
      throw error;
    }
    if (session.ended) return;
    this.#context.keeping.setElsewhere(name, server);
    await this.#context.eventLog.log('SHARED_VAULT_VISITED', { vault: name, server });
  }

  /** The keeper's side of a vault that is kept elsewhere. Throws VAULT_ELSEWHERE where it is out of reach. */
  #guestOf(vault: string): GuestVault {
    const guest = this.#guests.get(vault);
    if (guest !== undefined) return guest;
    this.#context.keeping.refuseElsewhere(vault);
    throw new CapstanError('NOT_FOUND', { kind: 'vault kept elsewhere', name: vault });
  }

  /** Has the keeper open a tape. */
  mount(tape: TapeRow, request: GuestMountRequest): Promise<RemoteMount> {
    return this.#guestOf(tape.vault).mount(tape.name, request);
  }

  /** Has the keeper of a vault carry an operation out. */
  async operate(vault: string, name: string, parameters: unknown, user: string): Promise<unknown> {
    const { session } = this.#guestOf(vault);
    return (await session.call('operation', { vault, name, parameters, user })).result;
  }

  /** This server is no guest of the vault any more. */
  leave(vault: string): void {
    this.#guests.delete(vault);
    this.#context.keeping.setElsewhere(vault, undefined);
  }

  /** Which vaults are kept here has changed. */
  announce(): void {
    this.#keeper.announce();
    this.#lookSoon();
  }
}

function isZodError(error: unknown): boolean {
  return error instanceof Error && error.name === 'ZodError';
}
