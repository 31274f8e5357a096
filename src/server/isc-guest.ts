/**
 * What a guest of a shared vault has of it: rows as its keeper tells them, and tapes whose blocks the
 * keeper reads and writes.
 *
 * The rows lie in the guest's own catalog, where everybody looks; nobody but the keeper's word changes them.
 */
import type { z } from 'zod';
import { CapstanError, isCapstanError } from '../base/errors.ts';
import type { Generation } from '../base/units.ts';
import type { IscSession } from '../isc/session.ts';
import type { DismountRecord, TapeRow } from '../ports/catalog.ts';
import type { ImageInfo, TapeImage } from '../ports/engine.ts';
import type {
  AppendCall,
  AppendReply,
  LocateCall,
  LocateReply,
  ReadCall,
  ReadReply,
  SpaceCall,
  SpaceReply,
  TruncateCall,
  TruncateReply,
} from '../tape/image-call.ts';
import type { ServerContext } from './context.ts';
import { Sequence } from './context.ts';
import { ISC_ANSWERS } from './isc-messages.ts';
import { VaultRows, changesOf, changesTo } from './shared-records.ts';
import type { VaultRecord } from './shared-records.ts';

type AnswerTo<Method extends keyof typeof ISC_ANSWERS> = z.infer<(typeof ISC_ANSWERS)[Method]>;

/** The answer to a call. Rejects as the call, and PROTOCOL_VIOLATION. */
export async function ask<Method extends keyof typeof ISC_ANSWERS>(
  session: IscSession,
  method: Method,
  parameters: object,
  data?: Uint8Array,
): Promise<{ readonly answer: AnswerTo<Method>; readonly data: Uint8Array }> {
  const reply = await session.call(method, parameters, data);
  const parsed = ISC_ANSWERS[method].safeParse(reply.result);
  if (parsed.success) return { answer: parsed.data as AnswerTo<Method>, data: reply.data };
  const what = `its answer to ${method} is malformed`;
  throw new CapstanError('PROTOCOL_VIOLATION', { peer: session.peer, what });
}

/** What a mount is, for the keeper. */
export interface GuestMountRequest {
  readonly ring: boolean;
  readonly drive: string;
  readonly host: string;
  readonly requestNumber: number | undefined;
}

/** A tape that the keeper has open for a drive here. */
export interface RemoteMount {
  /** As the keeper has it now. */
  readonly tape: TapeRow;
  readonly image: TapeImage;
  readonly generation: Generation;
  /** Gives the tape back, durable and recorded there; what is to be recorded here. */
  end(interrupted: boolean): Promise<Pick<DismountRecord, 'atMs' | 'content'>>;
}

/** A vault that another server keeps, as long as its session lasts. */
export class GuestVault {
  readonly name: string;
  readonly keeper: string;
  readonly session: IscSession;
  readonly #context: ServerContext;
  readonly #rows = new VaultRows();
  readonly #order = new Sequence();
  readonly #onChanged: () => void;
  /** What was told while the rows were fetched; undefined once they are here. */
  #early: VaultRecord[] | undefined = [];
  readonly #taken = new Set<string>();

  constructor(parts: {
    readonly context: ServerContext;
    readonly name: string;
    readonly keeper: string;
    readonly session: IscSession;
    /** The rows are others now. */
    readonly onChanged: () => void;
  }) {
    this.#context = parts.context;
    this.name = parts.name;
    this.keeper = parts.keeper;
    this.session = parts.session;
    this.#onChanged = parts.onChanged;
  }

  /** Has the catalog's rows be the keeper's, and follow them from now on. */
  async load(): Promise<void> {
    const vault = this.name;
    const { count } = (await ask(this.session, 'subscribe', { vault })).answer;
    let from = 0;
    while (from < count) {
      const { records } = (await ask(this.session, 'records', { vault, from })).answer;
      if (records.length === 0) break;
      this.#rows.take(records);
      from += records.length;
    }
    this.#rows.take(this.#early ?? []);
    this.#early = undefined;
    await this.#order.run(async () => {
      const { catalog } = this.#context.ports;
      const changes = await changesTo(catalog, vault, this.#rows);
      await this.#tellTaken(await catalog.applyVaultChanges(vault, changes));
    });
    this.#onChanged();
  }

  /** The keeper told of changes; resolves when they stand in the catalog. */
  async hear(records: readonly VaultRecord[]): Promise<void> {
    if (this.#early !== undefined) {
      this.#early.push(...records);
      return;
    }
    this.#rows.take(records);
    await this.#order.run(async () => {
      const { catalog } = this.#context.ports;
      await this.#tellTaken(await catalog.applyVaultChanges(this.name, changesOf(records)));
    });
    this.#onChanged();
  }

  /** Names that cannot be shown here are told of once. */
  async #tellTaken(names: readonly string[]): Promise<void> {
    for (const name of names) {
      if (this.#taken.has(name)) continue;
      this.#taken.add(name);
      await this.#context.eventLog.log('SHARED_NAME_TAKEN', { name, vault: this.name });
    }
  }

  /** Has the keeper open a tape for a drive here. Rejects as the keeper does, and CONNECTION_LOST. */
  async mount(tape: string, request: GuestMountRequest): Promise<RemoteMount> {
    const { session, name: vault } = this;
    const { requestNumber, ...rest } = request;
    const parameters = {
      vault,
      tape,
      ...rest,
      ...(requestNumber !== undefined && { requestNumber }),
    };
    const { answer } = await ask(session, 'mount', parameters);
    const [row] = answer.tape;
    if (row === undefined) {
      const what = 'its answer to mount has no tape';
      throw new CapstanError('PROTOCOL_VIOLATION', { peer: session.peer, what });
    }
    const { handle, generation, partitions } = answer;
    return {
      tape: row as TapeRow,
      generation,
      image: new RemoteImage({ session, handle, info: { name: tape, generation, partitions } }),
      end: async (interrupted) => {
        const { atMs, content } = (await ask(session, 'end-mount', { handle, interrupted })).answer;
        return { atMs, content };
      },
    };
  }
}

/** A tape image whose blocks lie with the keeper; a call is one round trip. */
class RemoteImage implements TapeImage {
  readonly name: string;
  readonly #session: IscSession;
  readonly #handle: number;
  readonly #info: ImageInfo;

  constructor(parts: {
    readonly session: IscSession;
    readonly handle: number;
    readonly info: ImageInfo;
  }) {
    this.name = parts.info.name;
    this.#session = parts.session;
    this.#handle = parts.handle;
    this.#info = parts.info;
  }

  /** As of the mount. */
  info(): Promise<ImageInfo> {
    return Promise.resolve(this.#info);
  }

  async append({ partition, at, lengths, data }: Omit<AppendCall, 'op'>): Promise<AppendReply> {
    const parameters = { handle: this.#handle, partition, at, lengths: [...lengths] };
    return (await this.#ask('append', parameters, data)).answer;
  }

  async read(call: Omit<ReadCall, 'op'>): Promise<ReadReply> {
    const { partition, at, direction, countMax, bytesMax } = call;
    const parameters = { handle: this.#handle, partition, at, direction, countMax, bytesMax };
    const { answer, data } = await this.#ask('read', parameters);
    return { lengths: Uint32Array.from(answer.lengths), data, stoppedBy: answer.stoppedBy };
  }

  async space({ partition, at, over, count }: Omit<SpaceCall, 'op'>): Promise<SpaceReply> {
    const parameters = { handle: this.#handle, partition, at, over, count };
    return (await this.#ask('space', parameters)).answer;
  }

  async locate({ partition, at }: Omit<LocateCall, 'op'>): Promise<LocateReply> {
    return (await this.#ask('locate', { handle: this.#handle, partition, at })).answer;
  }

  async truncate({ partition, at }: Omit<TruncateCall, 'op'>): Promise<TruncateReply> {
    return (await this.#ask('truncate', { handle: this.#handle, partition, at })).answer;
  }

  async sync({ generation }: { readonly generation: Generation }): Promise<void> {
    await lost(() => this.#session.call('sync', { handle: this.#handle, generation }));
  }

  /** The keeper closes it when the mount ends. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  #ask<Method extends keyof typeof ISC_ANSWERS>(
    method: Method,
    parameters: object,
    data?: Uint8Array,
  ): Promise<{ readonly answer: AnswerTo<Method>; readonly data: Uint8Array }> {
    return lost(() => ask(this.#session, method, parameters, data));
  }
}

/** A line that is lost is, for a drive, a disk that fails. */
async function lost<Value>(call: () => Promise<Value>): Promise<Value> {
  try {
    return await call();
  } catch (error) {
    if (!isCapstanError(error, 'CONNECTION_LOST', 'PROTOCOL_VIOLATION')) throw error;
    const fields = { place: 'the keeper of the shared vault', what: error.message };
    throw new CapstanError('DISK_IO', fields, { cause: error });
  }
}
