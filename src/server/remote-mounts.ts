/**
 * Tapes in drives here whose vault another server keeps: the keeper reads and writes their blocks.
 *
 * A mount outlives a session: when that ends, the drive's command waits for the next one, which claims the
 * mount by its token (isc-mounts.ts), and is asked again what had no answer. A mount is over where the
 * keeper does not have it any more, where another server keeps its vault now, this one included, and where
 * there is no session for `resumeMs`. What the host had acknowledged as synced is on the tape then, and the
 * drive is emptied as at a restart.
 */
import { assert } from '../base/assert.ts';
import { toHex } from '../base/encodings.ts';
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { SECOND_MS } from '../base/units.ts';
import type { Generation } from '../base/units.ts';
import type { IscSession } from '../isc/session.ts';
import type { DismountRecord, TapeRow } from '../ports/catalog.ts';
import type { Cancel } from '../ports/clock.ts';
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
import { ask } from './isc-messages.ts';
import type { Answered, ISC_ANSWERS } from './isc-messages.ts';

/** Bytes of a mount's token. */
const TOKEN_BYTES = 16;
const STOPPING = 'the server stops';

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
  /**
   * Gives the tape back, durable and recorded there; what is to be recorded here. It may be called again.
   * One that is interrupted waits for no session.
   */
  end(interrupted: boolean): Promise<Pick<DismountRecord, 'atMs' | 'content'>>;
}

/** The server that keeps a vault, and the session with it. */
interface Keeper {
  readonly server: string;
  readonly session: IscSession;
}

export interface RemoteMountsOptions {
  readonly context: ServerContext;
  readonly resumeMs: number;
  /** Takes a tape out of its drive whose mount is over, although nobody here ended it. */
  readonly interrupt: (tape: string) => Promise<void>;
}

export class RemoteMounts {
  readonly #options: RemoteMountsOptions;
  readonly #lines = new Map<string, MountLine>();
  #stopping = false;

  constructor(options: RemoteMountsOptions) {
    this.#options = options;
  }

  /** Has the keeper open a tape. Rejects as the keeper does, and CONNECTION_LOST: then it has it not. */
  async open(
    keeper: Keeper,
    { name: tape, vault }: Pick<TapeRow, 'name' | 'vault'>,
    { requestNumber, ...request }: GuestMountRequest,
  ): Promise<RemoteMount> {
    const token = toHex(this.#options.context.ports.random.bytes(TOKEN_BYTES));
    const numbered = requestNumber === undefined ? {} : { requestNumber };
    const parameters = { token, vault, tape, ...request, ...numbered };
    const { answer } = await ask(keeper.session, 'mount', parameters);
    const [row] = answer.tape;
    if (row === undefined) {
      const what = 'its answer to mount has no tape';
      throw new CapstanError('PROTOCOL_VIOLATION', { peer: keeper.session.peer, what });
    }
    const { generation, partitions } = answer;
    const line = new MountLine(token, { tape, vault, drive: request.drive }, keeper);
    this.#lines.set(token, line);
    // It may have ended in this moment.
    if (keeper.session.ended) this.suspend(keeper.session);
    return {
      tape: row as TapeRow,
      generation,
      image: new RemoteImage(line, { name: tape, generation, partitions }),
      end: async (interrupted) => {
        if (interrupted && !line.isLive) this.#lines.delete(token);
        const { atMs, content } = (await line.ask('end-mount', { interrupted }, !interrupted))
          .answer;
        this.#lines.delete(token);
        return { atMs, content };
      },
    };
  }

  /** Tokens of the mounts that a server has open for drives here, as far as is known. */
  claims(server: string): readonly string[] {
    return [...this.#lines.values()].flatMap((line) => (line.server === server ? line.token : []));
  }

  /** A session is over: its mounts wait for the next one. */
  suspend(session: IscSession): void {
    const { context, resumeMs } = this.#options;
    for (const line of this.#lines.values()) {
      if (!line.suspend(session)) continue;
      if (this.#stopping) {
        line.end(STOPPING);
        continue;
      }
      line.cancelEnd = context.ports.clock.after(resumeMs, () =>
        this.#over(line, `there was no session for ${resumeMs / SECOND_MS} s`),
      );
    }
  }

  /** A server's new session goes on with the mounts that it has; the others are over. */
  resume({ server, session }: Keeper, held: readonly string[]): void {
    for (const line of this.#lines.values()) {
      if (line.server !== server || line.isLive) continue;
      if (!held.includes(line.token)) {
        this.#over(line, `${server} does not have it open any more`);
        continue;
      }
      line.resume(session);
      const { tape, drive } = line.place;
      this.#options.context.eventLog.report('SHARED_MOUNT_RESUMED', { tape, drive, server });
    }
  }

  /** Mounts of a vault are over, but for those through the server that keeps it now. */
  endOf(vault: string, keeper: string): void {
    for (const line of this.#lines.values()) {
      if (line.place.vault !== vault || line.server === keeper) continue;
      this.#over(line, `${keeper} keeps the vault now`);
    }
  }

  /** The server stops: no command of a drive waits for a session any more. */
  letGo(): void {
    this.#stopping = true;
    for (const line of this.#lines.values()) if (!line.isLive) line.end(STOPPING);
  }

  #over(line: MountLine, reason: string): void {
    if (!this.#lines.delete(line.token)) return;
    line.end(reason);
    const { tape, drive } = line.place;
    this.#options.context.eventLog.report('SHARED_MOUNT_LOST', { tape, drive, reason });
    this.#options.context.background('take a tape out of its drive', () =>
      this.#options.interrupt(tape),
    );
  }
}

interface Place {
  readonly tape: string;
  readonly vault: string;
  readonly drive: string;
}

/** How a mount reaches its keeper: by a session, by the next one, or not any more. */
class MountLine {
  readonly token: string;
  readonly server: string;
  readonly place: Place;
  cancelEnd: Cancel = () => {};
  #session: IscSession | undefined;
  #overBecause: string | undefined;
  /** Called when there is a session again, or the mount is over. */
  #waiting: (() => void)[] = [];

  constructor(token: string, place: Place, { server, session }: Keeper) {
    this.token = token;
    this.place = place;
    this.server = server;
    this.#session = session;
  }

  get isLive(): boolean {
    return this.#session !== undefined;
  }

  /** Whether the mount was the session's. */
  suspend(session: IscSession): boolean {
    if (this.#session !== session) return false;
    this.#session = undefined;
    return true;
  }

  resume(session: IscSession): void {
    this.cancelEnd();
    this.#session = session;
    this.#wake();
  }

  end(reason: string): void {
    this.cancelEnd();
    this.#session = undefined;
    this.#overBecause = reason;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /**
   * The keeper's answer: calls name positions, so what is asked again comes to the same. Rejects as the
   * keeper does; DISK_IO where the mount is over, which is for a drive a disk that fails.
   */
  async ask<Method extends keyof typeof ISC_ANSWERS>(
    method: Method,
    parameters: object,
    waits = true,
    data?: Uint8Array,
  ): Promise<Answered<Method>> {
    for (;;) {
      const session = this.#session;
      if (this.#overBecause !== undefined) throw failure(this.#overBecause);
      if (session === undefined) {
        if (!waits) throw failure('there is no session with it');
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
        continue;
      }
      try {
        return await ask(session, method, { token: this.token, ...parameters }, data);
      } catch (error) {
        if (isCapstanError(error, 'PROTOCOL_VIOLATION')) throw failure(error.message, error);
        if (!isCapstanError(error, 'CONNECTION_LOST')) throw error;
        assert(this.#session !== session, "a session that has ended is no mount's any more");
      }
    }
  }
}

const failure = (what: string, cause?: CapstanError): CapstanError =>
  new CapstanError('DISK_IO', { place: 'the keeper of the shared vault', what }, { cause });

/** A tape image whose blocks lie with the keeper; a call is one round trip. */
class RemoteImage implements TapeImage {
  readonly name: string;
  readonly #line: MountLine;
  readonly #info: ImageInfo;

  constructor(line: MountLine, info: ImageInfo) {
    this.name = info.name;
    this.#line = line;
    this.#info = info;
  }

  /** As of the mount. */
  info(): Promise<ImageInfo> {
    return Promise.resolve(this.#info);
  }

  async append({ partition, at, lengths, data }: Omit<AppendCall, 'op'>): Promise<AppendReply> {
    const parameters = { partition, at, lengths: [...lengths] };
    return (await this.#line.ask('append', parameters, true, data)).answer;
  }

  async read(call: Omit<ReadCall, 'op'>): Promise<ReadReply> {
    const { partition, at, direction, countMax, bytesMax } = call;
    const parameters = { partition, at, direction, countMax, bytesMax };
    const { answer, data } = await this.#line.ask('read', parameters);
    return { lengths: Uint32Array.from(answer.lengths), data, stoppedBy: answer.stoppedBy };
  }

  async space({ partition, at, over, count }: Omit<SpaceCall, 'op'>): Promise<SpaceReply> {
    return (await this.#line.ask('space', { partition, at, over, count })).answer;
  }

  async locate({ partition, at }: Omit<LocateCall, 'op'>): Promise<LocateReply> {
    return (await this.#line.ask('locate', { partition, at })).answer;
  }

  async truncate({ partition, at }: Omit<TruncateCall, 'op'>): Promise<TruncateReply> {
    return (await this.#line.ask('truncate', { partition, at })).answer;
  }

  async sync({ generation }: { readonly generation: Generation }): Promise<void> {
    await this.#line.ask('sync', { generation });
  }

  /** The keeper closes it when the mount ends. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}
