/**
 * What the keeper of a shared vault does for its guests: it has tapes for them, blocks and all, and tells
 * them what becomes of the vault's rows.
 *
 * All that a guest writes goes through the one process that has the store open, so no tape has two writers,
 * whatever becomes of the line between the servers. A guest that does not come back for its mounts has them no
 * more: what was synced is on the tape and is recorded, what was not is given up, its locks go, and no copy is
 * queued, as after a restart of the server itself.
 */
import type { z } from 'zod';
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { generation as toGeneration } from '../base/units.ts';
import type { Generation } from '../base/units.ts';
import type { IscReply, IscSession } from '../isc/session.ts';
import type { TapeRow } from '../ports/catalog.ts';
import type { TapeImage } from '../ports/engine.ts';
import type { AutoCopy } from './autocopy.ts';
import type { ServerContext } from './context.ts';
import { queueCopies } from './copy-queue.ts';
import { ISC_CALLS } from './isc-messages.ts';
import { IscKeys } from './isc-keys.ts';
import type { IscCall } from './isc-messages.ts';
import { IscMounts } from './isc-mounts.ts';
import type { GuestMount } from './isc-mounts.ts';
import { ISC_POLICY } from './isc-policy.ts';
import { MOUNTING, mountReason } from './keeping.ts';
import { tapeObstacle } from './mount-obstacles.ts';
import type { PeerCall } from './operations/elsewhere.ts';
import type { VaultRecord } from './shared-records.ts';
import { labelErased } from './tape-content.ts';
import { contentOf } from './vaults.ts';
import type { Vaults } from './vaults.ts';

/** Records that go at once. */
const RECORDS_PAGE = 500;

export interface IscKeeperOptions {
  readonly context: ServerContext;
  readonly vaults: Vaults;
  readonly autocopy: AutoCopy;
  readonly busyTapes: Set<string>;
  /** A tape or a lock is free: who waits for it looks again. */
  readonly onReleased: () => void;
  /** Carries out an operation of another server's user, with every right: that server has checked them. */
  readonly operate: (call: PeerCall) => Promise<unknown>;
  /** Another server satisfied a request of a host. */
  readonly onAnswered: (host: string, requestNumber: number, server: string) => void;
}

/** A server whose session is here. */
export interface Guest {
  server: string | undefined;
  /** The fingerprint of the key that it has shown. */
  readonly key: string;
  readonly session: () => IscSession;
  /** Vaults whose records it is told. */
  readonly vaults: Set<string>;
  /** Records that it has not fetched yet, by vault. */
  readonly pages: Map<string, readonly VaultRecord[]>;
  gone: boolean;
}

type Parameters<Method extends IscCall> = z.infer<(typeof ISC_CALLS)[Method]>;
type Handlers = {
  readonly [Method in IscCall]: (
    guest: Guest,
    parameters: Parameters<Method>,
    data: Uint8Array,
  ) => Promise<IscReply>;
};

export class IscKeeper {
  readonly #options: IscKeeperOptions;
  readonly #context: ServerContext;
  readonly #guests = new Set<Guest>();
  readonly #mounts: IscMounts;
  readonly #keys: IscKeys;
  /** Why tapes of a vault cannot be taken back, as the event log has it. */
  readonly #toldOf = new Map<string, string>();

  constructor(options: IscKeeperOptions) {
    this.#options = options;
    this.#context = options.context;
    const { ports, settings } = options.context;
    this.#keys = new IscKeys(options.context);
    this.#mounts = new IscMounts({
      clock: ports.clock,
      resumeMs: { ...ISC_POLICY, ...settings.isc }.resumeMs,
      giveUp: (mount) => this.#takeBack(mount),
      background: (what, work) => options.context.background(what, work),
    });
    this.#context.keeping.onRecords((vault, records) => {
      for (const guest of this.#guests) {
        if (guest.vaults.has(vault)) guest.session().note('changed', { vault, records });
      }
    });
  }

  /** The tapes that another server has. */
  tapesOf(server: string): readonly string[] {
    return this.#mounts.tapesOf(server);
  }

  add(guest: Guest): void {
    this.#guests.add(guest);
  }

  /** Tells every guest which vaults are kept here now. */
  announce(): void {
    const vaults = Object.fromEntries(this.#context.keeping.kept);
    for (const guest of this.#guests) guest.session().note('keeps', { vaults });
  }

  /** Ends the sessions of a server that may not call any more, or with that key only. */
  dismiss(server: string, key?: string): void {
    for (const guest of this.#guests) {
      if (guest.server !== server || (key !== undefined && guest.key === key)) continue;
      guest
        .session()
        .end(key === undefined ? 'it is not among the servers any more' : 'its key is another now');
    }
  }

  /** A guest's session is over: its mounts wait for its next one. */
  leave(guest: Guest): void {
    guest.gone = true;
    this.#guests.delete(guest);
    this.#mounts.park(guest);
  }

  /** Every session is over, and no other will come: the tapes are taken back. */
  stop(): Promise<void> {
    return this.#mounts.takeAllBack();
  }

  /** Whether what the guest had synced is recorded, and the tape free. */
  async #takeBack(mount: GuestMount): Promise<boolean> {
    const { context, onReleased } = this.#options;
    const { tape, vault, server } = mount;
    try {
      await context.decisions.run(() => this.#end(mount, true));
    } catch (error) {
      // A full disk may have room again; where the vault fails, the lock goes when it is opened again.
      if (!isCapstanError(error)) throw error;
      if (this.#toldOf.get(vault) !== error.message) {
        this.#toldOf.set(vault, error.message);
        context.eventLog.report('STORE_FAILED', { vault, reason: error.message });
      }
      return false;
    }
    this.#toldOf.delete(vault);
    await context.eventLog.log('SHARED_LOCK_RELEASED', { tape, server });
    onReleased();
    return true;
  }

  /** Carries out a call of a guest. Rejects as it does, and PEER_REFUSED where it may not be made. */
  async call(guest: Guest, method: string, given: unknown, data: Uint8Array): Promise<IscReply> {
    if (!Object.hasOwn(ISC_CALLS, method)) throw refusal(method, 'there is no such call');
    const name = method as IscCall;
    if (guest.server === undefined && name !== 'hello') throw refusal(name, 'who calls?');
    const parameters = ISC_CALLS[name].parse(given);
    const handler = this.#handlers[name] as (
      guest: Guest,
      parameters: unknown,
      data: Uint8Array,
    ) => Promise<IscReply>;
    return handler(guest, parameters, data);
  }

  readonly #handlers: Handlers = {
    hello: async (guest, { server, mounts }) => {
      const { serverName } = this.#context.settings;
      await this.#keys.admit(server, guest.key);
      // A server that comes anew has its session before no more, whatever the line still says.
      for (const other of this.#guests) {
        if (other !== guest && other.server === server)
          other.session().end('it has a newer session');
      }
      guest.server = server;
      const held = await this.#mounts.claim(guest, mounts);
      const vaults = Object.fromEntries(this.#context.keeping.kept);
      return { result: { server: serverName, vaults, mounts: held } };
    },
    subscribe: async (guest, { vault }) => {
      const records = await this.#context.keeping.records(vault, () => guest.vaults.add(vault));
      guest.pages.set(vault, records);
      return { result: { count: records.length } };
    },
    records: async (guest, { vault, from }) => {
      const records = guest.pages.get(vault) ?? [];
      const page = records.slice(from, from + RECORDS_PAGE);
      if (from + page.length >= records.length) guest.pages.delete(vault);
      return { result: { records: page } };
    },
    mount: async (guest, parameters) => {
      const result = await this.#context.decisions.run(() => this.#mount(guest, parameters));
      return { result };
    },
    'end-mount': async (guest, { token, interrupted }) => {
      const result = await this.#mounts.end(guest, token, (mount) =>
        this.#context.decisions.run(() => this.#end(mount, interrupted)),
      );
      this.#options.onReleased();
      return { result };
    },
    append: (guest, { token, lengths, ...call }, data) => {
      if (lengths.reduce((sum, length) => sum + length, 0) !== data.length) {
        throw refusal('append', 'the lengths are not those of the data');
      }
      const blocks = { ...call, lengths: Uint32Array.from(lengths), data };
      return this.#mounts.run(guest, token, async (mount) => ({
        result: await writable(mount).append(blocks),
      }));
    },
    read: (guest, { token, ...call }) =>
      this.#mounts.run(guest, token, async ({ image }) => {
        const { lengths, data, stoppedBy } = await image.read(call);
        return { result: { lengths: [...lengths], stoppedBy }, data };
      }),
    space: (guest, { token, ...call }) =>
      this.#mounts.run(guest, token, async ({ image }) => ({ result: await image.space(call) })),
    locate: (guest, { token, ...call }) =>
      this.#mounts.run(guest, token, async ({ image }) => ({ result: await image.locate(call) })),
    truncate: (guest, { token, ...call }) =>
      this.#mounts.run(guest, token, async (mount) => ({
        result: await writable(mount).truncate(call),
      })),
    sync: (guest, { token, generation }) =>
      this.#mounts.run(guest, token, async (mount) => {
        const { startGeneration } = mount;
        if (generation < startGeneration || generation > startGeneration + 1) {
          throw refusal('sync', `generation ${generation} does not follow ${startGeneration}`);
        }
        await writable(mount).sync({ generation });
        return {};
      }),
    operation: async (_guest, { vault, name, parameters, user }) => {
      if (!this.#context.keeping.isKept(vault)) throw refusal(name, `${vault} is not kept here`);
      return { result: await this.#options.operate({ user, name, parameters }) };
    },
  };

  /** Within a decision. */
  async #mount(guest: Guest, parameters: Parameters<'mount'>): Promise<object> {
    const { context, vaults, autocopy, busyTapes } = this.#options;
    const { catalog } = context.ports;
    const { token, tape: name, ring, vault, host, drive } = parameters;
    const { server = '' } = guest;
    if (this.#mounts.has(token)) throw refusal('mount', 'there is a mount of that token');
    const row = await catalog.findTape(name);
    if (row?.vault !== vault || !context.keeping.isKept(vault)) {
      throw new CapstanError('NOT_FOUND', { kind: 'tape', name });
    }
    const obstacle =
      (await tapeObstacle(context, row, ring)) ??
      (busyTapes.has(name) ? 'it is mounted' : undefined);
    if (obstacle !== undefined)
      throw new CapstanError('IN_USE', { kind: 'tape', name, by: obstacle });
    busyTapes.add(name);
    let image: TapeImage | undefined;
    try {
      autocopy.preempt(name);
      const tape = ring ? await labelErased(context, vaults, row) : row;
      image = await vaults.engine(vault).openImage(name, ring ? 'write' : 'read');
      const info = await image.info();
      const startGeneration = toGeneration(Math.max(info.generation, tape.generation));
      await this.#lock(guest, parameters);
      const now = (await catalog.findTape(name)) ?? tape;
      if (guest.gone) throw refusal('mount', 'its session has ended');
      const mount = { token, server, tape: name, vault, ring, host, startGeneration, image };
      this.#mounts.add({ ...mount, closedAt: undefined }, guest);
      const { partitions } = info;
      context.eventLog.report('SHARED_MOUNTED', { tape: name, server, drive });
      return {
        generation: startGeneration,
        tape: [{ is: 'tape', row: now }],
        partitions,
      };
    } catch (error) {
      try {
        await image?.close();
        await catalog.releaseLock({ tape: name }, `${MOUNTING}${guest.server}`);
      } finally {
        busyTapes.delete(name);
        autocopy.wake();
      }
      throw error;
    }
  }

  async #lock(guest: Guest, mount: Parameters<'mount'>): Promise<void> {
    const { catalog, clock } = this.#context.ports;
    const { tape } = mount;
    const sinceMs = clock.nowMs();
    await catalog.updateTape(tape, { mountedAtMs: sinceMs });
    await catalog.takeLock({
      tape,
      pool: undefined,
      process: `${MOUNTING}${guest.server}`,
      sinceMs,
      reason: mountReason(mount.drive, mount),
    });
  }

  /**
   * Takes the tape back: what is synced is recorded, and owed by every rule. Within a decision; where it
   * rejects, it can be called again.
   */
  async #end(mount: GuestMount, interrupted: boolean): Promise<object> {
    const { context, vaults, autocopy, busyTapes } = this.#options;
    const { catalog, clock } = context.ports;
    const { tape: name, vault, ring, host, image } = mount;
    const atMs = clock.nowMs();
    mount.closedAt ??= (await image.info()).generation;
    const generation = mount.closedAt;
    await image.close();
    const row = await catalog.findTape(name);
    const content =
      row !== undefined && generation > mount.startGeneration
        ? { generation, ...(await contentOf(vaults.engine(vault), name)) }
        : undefined;
    if (row !== undefined && content !== undefined) await this.#record(row, content, host, atMs);
    await catalog.updateTape(name, { dismountedAtMs: atMs });
    const now = await catalog.findTape(name);
    if (ring && !interrupted && now !== undefined) await queueCopies(context, now);
    await catalog.releaseLock({ tape: name }, `${MOUNTING}${mount.server}`);
    busyTapes.delete(name);
    autocopy.wake();
    return { atMs, ...(content !== undefined && { content }) };
  }

  async #record(
    row: TapeRow,
    content: { generation: Generation; payloadBytes: number; manifestDigest: string },
    origin: string,
    atMs: number,
  ): Promise<void> {
    const { generation, payloadBytes } = content;
    await this.#context.ports.catalog.recordContent(
      { ...row, generation, payloadBytes, writtenAtMs: atMs, copiedFrom: undefined },
      { tape: row.name, atMs, origin, ...content },
    );
  }
}

const refusal = (what: string, reason: string): CapstanError =>
  new CapstanError('PEER_REFUSED', { peer: 'The keeper', what, reason });

/** The image of a mount with ring. Throws PEER_REFUSED. */
function writable(mount: GuestMount): TapeImage {
  if (!mount.ring) throw refusal('a write', 'the mount has no ring');
  return mount.image;
}
