/**
 * What the keeper of a shared vault does for its guests: it has tapes for them, blocks and all, and tells
 * them what becomes of the vault's rows.
 *
 * All that a guest writes goes through the one process that has the store open, so no tape has two writers,
 * whatever becomes of the line between the servers. A guest whose session ends has its mounts no more: what
 * was synced is on the tape and is recorded, what was not is given up, its locks go, and no copy is queued,
 * as after a restart of the server itself.
 */
import type { z } from 'zod';
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { generation as toGeneration } from '../base/units.ts';
import type { Generation } from '../base/units.ts';
import type { IscReply, IscSession } from '../isc/session.ts';
import type { TapeRow } from '../ports/catalog.ts';
import type { TapeImage } from '../ports/engine.ts';
import type { AutoCopy } from './autocopy.ts';
import { reasonOf } from './context.ts';
import type { ServerContext } from './context.ts';
import { queueCopies } from './copy-queue.ts';
import { ISC_CALLS } from './isc-messages.ts';
import type { IscCall } from './isc-messages.ts';
import { MOUNTING, mountReason } from './keeping.ts';
import { tapeObstacle } from './mount-obstacles.ts';
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
  readonly operate: (user: string, name: string, parameters: unknown) => Promise<unknown>;
  /** Another server satisfied a request of a host. */
  readonly onAnswered: (host: string, requestNumber: number, server: string) => void;
}

/** A tape that a guest has in a drive. */
interface GuestMount {
  readonly tape: string;
  readonly vault: string;
  readonly ring: boolean;
  readonly host: string;
  readonly startGeneration: Generation;
  readonly image: TapeImage;
}

/** A server whose session is here. */
export interface Guest {
  server: string | undefined;
  readonly session: () => IscSession;
  readonly mounts: Map<number, GuestMount>;
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
  #nextHandle = 1;

  constructor(options: IscKeeperOptions) {
    this.#options = options;
    this.#context = options.context;
    this.#context.keeping.onRecords((vault, records) => {
      for (const guest of this.#guests) {
        if (guest.vaults.has(vault)) guest.session().note('changed', { vault, records });
      }
    });
  }

  /** Servers whose sessions are here, with the tapes that they have. */
  get guests(): readonly { readonly server: string; readonly tapes: readonly string[] }[] {
    return [...this.#guests].flatMap(({ server, mounts }) =>
      server === undefined
        ? []
        : [{ server, tapes: [...mounts.values()].map(({ tape }) => tape).toSorted() }],
    );
  }

  add(guest: Guest): void {
    this.#guests.add(guest);
  }

  /** Tells every guest which vaults are kept here now. */
  announce(): void {
    const vaults = Object.fromEntries(this.#context.keeping.kept);
    for (const guest of this.#guests) guest.session().note('keeps', { vaults });
  }

  /** A guest's session is over: so are its mounts. */
  async leave(guest: Guest): Promise<void> {
    guest.gone = true;
    this.#guests.delete(guest);
    const mounts = [...guest.mounts];
    guest.mounts.clear();
    await this.#context.decisions.run(async () => {
      for (const [, mount] of mounts) await this.#interrupt(guest, mount);
    });
    if (mounts.length > 0) this.#options.onReleased();
  }

  async #interrupt(guest: Guest, mount: GuestMount): Promise<void> {
    const { eventLog } = this.#context;
    const server = guest.server ?? '';
    const { tape, vault } = mount;
    try {
      await this.#end(guest, mount, true);
      await eventLog.log('SHARED_LOCK_RELEASED', { tape, server });
    } catch (error) {
      // The vault fails: the lock goes when it is opened again.
      if (!isCapstanError(error)) throw error;
      eventLog.report('STORE_FAILED', { vault, reason: reasonOf(error) });
    }
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
    hello: async (guest, { server }) => {
      const { catalog } = this.#context.ports;
      const { serverName } = this.#context.settings;
      const isKnown = (await catalog.listPeers()).some((peer) => peer.server === server);
      if (!isKnown) throw refusal('hello', `${server} is not among the servers of ${serverName}`);
      // A server that comes anew has lost what it had.
      for (const other of this.#guests) {
        if (other !== guest && other.server === server)
          other.session().end('it has a newer session');
      }
      guest.server = server;
      const vaults = Object.fromEntries(this.#context.keeping.kept);
      return { result: { server: serverName, vaults } };
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
    'end-mount': async (guest, { handle, interrupted }) => {
      const mount = mountOf(guest, handle);
      const result = await this.#context.decisions.run(async () => {
        if (!guest.mounts.delete(handle)) throw noMount(handle);
        return this.#end(guest, mount, interrupted);
      });
      this.#options.onReleased();
      return { result };
    },
    append: async (guest, { handle, lengths, ...call }, data) => {
      if (lengths.reduce((sum, length) => sum + length, 0) !== data.length) {
        throw refusal('append', 'the lengths are not those of the data');
      }
      const { image } = mountOf(guest, handle, 'ring');
      return { result: await image.append({ ...call, lengths: Uint32Array.from(lengths), data }) };
    },
    read: async (guest, { handle, ...call }) => {
      const { lengths, data, stoppedBy } = await mountOf(guest, handle).image.read(call);
      return { result: { lengths: [...lengths], stoppedBy }, data };
    },
    space: async (guest, { handle, ...call }) => ({
      result: await mountOf(guest, handle).image.space(call),
    }),
    locate: async (guest, { handle, ...call }) => ({
      result: await mountOf(guest, handle).image.locate(call),
    }),
    truncate: async (guest, { handle, ...call }) => ({
      result: await mountOf(guest, handle, 'ring').image.truncate(call),
    }),
    sync: async (guest, { handle, generation }) => {
      const { image, startGeneration } = mountOf(guest, handle, 'ring');
      if (generation < startGeneration || generation > startGeneration + 1) {
        throw refusal('sync', `generation ${generation} does not follow ${startGeneration}`);
      }
      await image.sync({ generation });
      return {};
    },
    operation: async (_guest, { vault, name, parameters, user }) => {
      if (!this.#context.keeping.isKept(vault)) throw refusal(name, `${vault} is not kept here`);
      return { result: await this.#options.operate(user, name, parameters) };
    },
  };

  /** Within a decision. */
  async #mount(guest: Guest, parameters: Parameters<'mount'>): Promise<object> {
    const { context, vaults, autocopy, busyTapes } = this.#options;
    const { catalog } = context.ports;
    const { tape: name, ring, vault, host, drive } = parameters;
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
      if (guest.gone) throw refusal('mount', 'its session has ended');
      const handle = this.#nextHandle;
      this.#nextHandle += 1;
      guest.mounts.set(handle, { tape: name, vault, ring, host, startGeneration, image });
      const now = (await catalog.findTape(name)) ?? tape;
      const { partitions } = info;
      context.eventLog.report('SHARED_MOUNTED', { tape: name, server: guest.server ?? '', drive });
      return {
        handle,
        generation: startGeneration,
        tape: [{ is: 'tape', row: now }],
        partitions,
      };
    } catch (error) {
      await image?.close();
      await catalog.releaseLock({ tape: name }, `${MOUNTING}${guest.server}`);
      busyTapes.delete(name);
      autocopy.wake();
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

  /** Takes the tape back: what is synced is recorded, and owed by every rule. Within a decision. */
  async #end(guest: Guest, mount: GuestMount, interrupted: boolean): Promise<object> {
    const { context, vaults, autocopy, busyTapes } = this.#options;
    const { catalog, clock } = context.ports;
    const { tape: name, vault, ring, host, image } = mount;
    const atMs = clock.nowMs();
    try {
      const { generation } = await image.info();
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
      await catalog.releaseLock({ tape: name }, `${MOUNTING}${guest.server}`);
      return { atMs, ...(content !== undefined && { content }) };
    } finally {
      busyTapes.delete(name);
      autocopy.wake();
    }
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

const noMount = (handle: number): CapstanError =>
  new CapstanError('NOT_FOUND', { kind: 'mount of this session', name: handle });

function mountOf(guest: Guest, handle: number, needs?: 'ring'): GuestMount {
  const mount = guest.mounts.get(handle);
  if (mount === undefined) throw noMount(handle);
  if (needs === 'ring' && !mount.ring) throw refusal('a write', 'the mount has no ring');
  return mount;
}
