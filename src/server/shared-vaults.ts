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
import type { IscSession } from '../isc/session.ts';
import type { TapeRow, VaultRow } from '../ports/catalog.ts';
import type { PeerRow } from '../ports/catalog-shared.ts';
import type { Cancel } from '../ports/clock.ts';
import type { DuplexStream } from '../ports/network.ts';
import type { ServerContext } from './context.ts';
import { GuestVault } from './isc-guest.ts';
import { IscKeeper } from './isc-keeper.ts';
import type { Guest, IscKeeperOptions } from './isc-keeper.ts';
import { withKey } from './isc-keys.ts';
import { ISC_NOTES } from './isc-messages.ts';
import type { IscNote } from './isc-messages.ts';
import { ISC_POLICY } from './isc-policy.ts';
import type { IscPolicy } from './isc-policy.ts';
import { queueUncopied } from './copy-queue.ts';
import { PeerLinks } from './peer-links.ts';
import type { PeerLink } from './peer-links.ts';
import { RemoteMounts } from './remote-mounts.ts';
import type { GuestMountRequest, RemoteMount } from './remote-mounts.ts';
import { finishMoves, finishSharedMoves } from './tape-moves.ts';

export interface SharedVaultsOptions extends Omit<IscKeeperOptions, 'onAnswered'> {
  /** Takes a tape out of its drive whose keeper is gone. */
  readonly interruptMount: (tape: string) => Promise<void>;
  /** Another server satisfied a request of a host. */
  readonly onAnswered: (host: string, requestNumber: number, server: string) => void;
  /** Requests that a server satisfied which is gone now may be open. */
  readonly onServerLost: (server: string) => void;
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
  readonly #links: PeerLinks;
  readonly #guests = new Map<string, GuestVault>();
  readonly #mounts: RemoteMounts;
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
    this.#mounts = new RemoteMounts({
      context: options.context,
      resumeMs: this.#policy.resumeMs,
      interrupt: options.interruptMount,
    });
    this.#links = new PeerLinks({
      context: options.context,
      silenceMs: this.#policy.silenceMs,
      mounts: this.#mounts,
      onNote: (method, parameters, server) => this.#hear(method, parameters, server),
      onConnected: () => this.#lookSoon(),
      onLost: (server, session) => this.#lost(server, session),
    });
  }

  /** Connects to the other servers, and keeps the vaults that nobody else does. */
  async start(): Promise<void> {
    for (const vault of this.#context.keeping.kept.keys()) {
      await this.#context.eventLog.log('SHARED_VAULT_KEPT', { vault });
    }
    await this.#links.refresh();
    await this.look();
  }

  /** The server is about to stop: from here on no drive waits for another server. */
  prepareToStop(): void {
    this.#stopping = true;
    this.#cancelLook();
    this.#links.prepareToStop();
    this.#mounts.letGo();
  }

  async stop(): Promise<void> {
    this.prepareToStop();
    this.#links.stop();
    // What the ends of the sessions set in motion is done before anything is closed.
    await this.#keeper.stop();
    await this.#context.decisions.run(async () => {});
  }

  /** A session that another server opens, with the key of that fingerprint. */
  accept(stream: DuplexStream, key: string): void {
    if (this.#stopping) {
      stream.destroy();
      return;
    }
    const guest: Guest = {
      server: undefined,
      key,
      session: () => session,
      vaults: new Set(),
      pages: new Map(),
      gone: false,
    };
    this.#keeper.add(guest);
    const session = this.#links.open(stream, {
      onCall: (method, parameters, data) => this.#keeper.call(guest, method, parameters, data),
      onNote: (method, parameters) => this.#hear(method, parameters, guest.server),
      onEnd: () => this.#keeper.leave(guest),
    });
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
        // Who takes the vault next ends the mounts that this server had through the one before.
        this.#lookSoon();
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
    for (const { peer, session } of this.#links.all) {
      if (only.length > 0 && !only.includes(peer.server)) continue;
      session?.note('answered', { host, requestNumber });
    }
  }

  /** Adds another server, or changes how it is reached. INVALID_ARGUMENT where its key is another's. */
  async addPeer(given: PeerRow): Promise<PeerRow> {
    const { catalog } = this.#context.ports;
    const peer = withKey(given, await catalog.listPeers());
    await catalog.putPeer(peer);
    if (peer.clientKey !== undefined) this.#keeper.dismiss(peer.server, peer.clientKey);
    this.#links.renew(peer.server);
    await this.#links.refresh();
    await this.look();
    return peer;
  }

  /** NOT_FOUND. */
  async removePeer(server: string): Promise<void> {
    await this.#context.ports.catalog.deletePeer(server);
    this.#keeper.dismiss(server);
    await this.#links.refresh();
  }

  /** Every other server, with its session. */
  async status(): Promise<readonly PeerStatus[]> {
    // Offline nobody has looked for them.
    await this.#links.refresh();
    const stateOf = ({ session, reason }: PeerLink): string =>
      session === undefined ? `not connected${reason === '' ? '' : `: ${reason}`}` : 'connected';
    return this.#links.all.map((link) => ({
      ...link.peer,
      state: stateOf(link),
      keeps: Object.keys(link.keeps).toSorted(),
      mounted: this.#keeper.tapesOf(link.peer.server),
    }));
  }

  #lookSoon(): void {
    this.#context.background('look at the shared vaults', () => this.look());
  }

  /** Connects what is not connected, and has every shared vault be kept, or be a guest's. */
  async look(): Promise<void> {
    if (this.#stopping || this.#context.settings.offline === true) return;
    this.#cancelLook();
    let goesOn = true;
    try {
      this.#links.connect();
      const shared = (await this.#context.ports.catalog.listVaults()).filter(
        ({ sharedId }) => sharedId !== undefined,
      );
      for (const row of shared) await this.#settle(row);
      goesOn = this.#links.all.length > 0 || shared.length > 0;
    } finally {
      // Also where this look failed.
      if (goesOn) this.#lookLater();
    }
  }

  #lookLater(): void {
    this.#cancelLook();
    if (this.#stopping) return;
    const { clock } = this.#context.ports;
    this.#cancelLook = clock.after(this.#policy.retryMs, () => this.#lookSoon());
  }

  #lost(server: string, session: IscSession): void {
    const vaults = [...this.#guests.values()].filter((guest) => guest.session === session);
    for (const { name } of vaults) this.leave(name);
    if (this.#stopping) return;
    this.#options.onServerLost(server);
    this.#lookSoon();
  }

  /** The server that keeps a vault of that name, and the vault's identity. */
  keeperOf(vault: string): ReturnType<PeerLinks['keeperOf']> {
    return this.#links.keeperOf(vault);
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
    this.#mounts.endOf(row.name, context.settings.serverName);
    await context.eventLog.log('SHARED_VAULT_KEPT', { vault: row.name });
    await queueUncopied(context, row.name);
    this.#keeper.announce();
    onReleased();
    this.#options.autocopy.wake();
  }

  async #visit(name: string, server: string): Promise<void> {
    const session = this.#links.get(server)?.session;
    if (session === undefined) return;
    this.#mounts.endOf(name, server);
    const guest = new GuestVault({
      context: this.#context,
      name,
      keeper: server,
      session,
      onChanged: this.#options.onReleased,
      onSettled: (moves) => finishSharedMoves(this.#context, this.#options.vaults, moves),
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
  async mount(tape: TapeRow, request: GuestMountRequest): Promise<RemoteMount> {
    const { keeper: server, session } = this.#guestOf(tape.vault);
    return this.#mounts.open({ server, session }, tape, request);
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
