/**
 * ssh2 with ciphers of ours: the packets of a copy's data are sealed and opened many in a call, natively.
 *
 * ssh2 1.17.0 takes each packet through some ten objects, two copies and a call of its own to the socket: half of what
 * a copy over it costs. Its ciphers are made here instead, for AES-GCM; what is no channel's data, and all that is said
 * while keys are exchanged, goes its way as before. A large write to a channel becomes one buffer of packets; what comes
 * over a channel that asks for it is handed to its reader at once. The names that begin with '_' are ssh2's own, and its
 * version is pinned. Whoever needs ssh2 imports it from here, so that it finds these ciphers when it is loaded.
 */
/* oxlint-disable no-underscore-dangle -- the names are ssh2's. */
import { randomFillSync } from 'node:crypto';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import type * as Ssh2 from 'ssh2';
import { KIB, MIB } from '../base/units.ts';
import { nativeModule } from './native-module.ts';
import type { NativeSshOpener, NativeSshSealer } from './native-module.ts';

interface CipherConfig {
  readonly outbound: {
    readonly onWrite: (packet: Uint8Array) => void;
    readonly seqno: number;
    readonly cipherInfo: { readonly sslName: string };
    readonly cipherKey: Uint8Array;
    readonly cipherIV: Uint8Array;
  };
}

type OnPayload = (payload: Buffer) => number | false | undefined;

interface DecipherConfig {
  readonly inbound: {
    readonly onPayload: OnPayload;
    readonly seqno: number;
    readonly decipherInfo: { readonly sslName: string };
    readonly decipherKey: Uint8Array;
    readonly decipherIV: Uint8Array;
  };
}

interface Ssh2Crypto {
  createCipher: (config: CipherConfig) => unknown;
  createDecipher: (config: DecipherConfig) => unknown;
}

interface Protocol {
  readonly _decipher: unknown;
  readonly _cipher: unknown;
  readonly _onPayload: OnPayload;
  /** Set while keys are exchanged. */
  readonly _kexinit: unknown;
  _onPacket(): void;
}

interface Channel {
  readonly incoming: { readonly id: number; window: number; readonly state: string };
  readonly outgoing: {
    readonly id: number;
    window: number;
    readonly packetSize: number;
    readonly state: string;
  };
  readonly _client: { readonly _protocol: Protocol };
  /** Whether it waits for its peer's window; then `_chunk` is written, or `_chunkcb` called, once there is some. */
  _waitWindow: boolean;
  _chunk: Uint8Array | undefined;
  _chunkcb: (() => void) | undefined;
  _write(bytes: Uint8Array, encoding: null, done: () => void): void;
}

const GCM_NAMES = ['aes-128-gcm', 'aes-256-gcm'];
const LENGTH_BYTES = 4;
const BLOCK_BYTES = 16;
const PADDING_BYTES_MIN = 4;
const TAG_BYTES = 16;
/** The longest packet that ssh2 takes. */
const PACKET_BYTES_MAX = 35_000;
const CHANNEL_DATA = 94;
/** Message number, channel, and length of the data. */
const DATA_HEAD_BYTES = 9;
/** The native module tells of so many payloads at a time, in three numbers each. */
const PAYLOADS_MAX = 32;

/** A write shorter than this goes ssh2's way. */
const WRITE_BYTES_MIN = 16 * KIB;
/** Data that is sealed at a time, and the room for its packets. */
const SEALED_DATA_BYTES_MAX = MIB;
const PACKETS_BYTES = MIB + 64 * KIB;
/** With packets of fewer bytes there would be too little room for them. */
const PART_BYTES_MIN = 2 * KIB;
const PART_BYTES_MAX = 32 * KIB;
/** Rooms for packets that are kept for the next ones, of any connection. */
const SPARE_COUNT_MAX = 4;

const spares: Uint8Array[] = [];

/** Takes the data of a channel where it can; false where it has to go ssh2's way. */
type Sink = (data: Uint8Array) => boolean;

/** By what ssh2 has for each connection, and the channel's number on this side. */
const sinks = new WeakMap<OnPayload, Map<number, Sink>>();

/** As ssh2's own ciphers. */
class Sealer {
  outSeqno: number;
  readonly #native: NativeSshSealer;
  readonly #onWrite: (packet: Uint8Array) => void;
  #dead = false;

  constructor({ outbound }: CipherConfig) {
    this.outSeqno = outbound.seqno;
    this.#onWrite = outbound.onWrite;
    this.#native = new (nativeModule().SshSealer)(outbound.cipherKey, outbound.cipherIV);
  }

  free(): void {
    this.#dead = true;
  }

  /** Room for a packet: ssh2 puts the payload behind the first five bytes. */
  allocPacket(payloadBytes: number): Buffer {
    const least = 1 + payloadBytes + PADDING_BYTES_MIN;
    const textBytes = Math.ceil(least / BLOCK_BYTES) * BLOCK_BYTES;
    const paddingBytes = textBytes - 1 - payloadBytes;
    const packet = Buffer.allocUnsafe(LENGTH_BYTES + textBytes + TAG_BYTES);
    packet.writeUInt32BE(textBytes, 0);
    packet[LENGTH_BYTES] = paddingBytes;
    randomFillSync(packet, LENGTH_BYTES + 1 + payloadBytes, paddingBytes);
    return packet;
  }

  encrypt(packet: Uint8Array): void {
    if (this.#dead) return;
    this.#native.seal(packet);
    this.#onWrite(packet);
    this.#count(1);
  }

  /** Packets with `data` for the peer's `channel`, in `into`; how many bytes they have. */
  sealData(channel: number, data: Uint8Array, partBytes: number, into: Uint8Array): number {
    this.#count(Math.ceil(data.length / partBytes));
    return this.#native.sealData(channel, data, partBytes, into);
  }

  #count(packets: number): void {
    this.outSeqno = (this.outSeqno + packets) >>> 0;
  }
}

/** As ssh2's own deciphers. */
class Opener {
  inSeqno: number;
  /** ssh2 sets another one while keys are exchanged. */
  _onPayload: OnPayload;
  readonly #usual: OnPayload;
  readonly #native: NativeSshOpener;
  readonly #pieces = new Uint8Array(PACKET_BYTES_MAX);
  readonly #payloads = new Uint32Array(1 + 3 * PAYLOADS_MAX);

  constructor({ inbound }: DecipherConfig) {
    this.inSeqno = inbound.seqno;
    this._onPayload = inbound.onPayload;
    this.#usual = inbound.onPayload;
    const { decipherKey: key, decipherIV: nonce } = inbound;
    this.#native = new (nativeModule().SshOpener)(key, nonce, this.#pieces);
  }

  free(): void {}

  /** Takes `data` from `start` to `end`; stops where a payload's handler says so, at what that or this returns. */
  decrypt(data: Uint8Array, start: number, end: number): number | undefined {
    const bytes = data.length === end ? data : data.subarray(0, end);
    const payloads = this.#payloads;
    for (let at = start; at < end;) {
      at = this.#native.take(bytes, at, payloads);
      const wordsEnd = 1 + 3 * (payloads[0] ?? 0);
      for (let word = 1; word < wordsEnd; word += 3) {
        const [offset, length] = [payloads[word] ?? 0, payloads[word + 1] ?? 0];
        const memory = payloads[word + 2] === 0 ? bytes : this.#pieces;
        this.inSeqno = (this.inSeqno + 1) >>> 0;
        const said = this.#handle(memory.subarray(offset, offset + length));
        if (said !== undefined) return said === false ? at : said;
      }
    }
    return undefined;
  }

  #handle(payload: Uint8Array): number | false | undefined {
    if (payload[0] === CHANNEL_DATA && this._onPayload === this.#usual && this.#sink(payload)) {
      return undefined;
    }
    // ssh2 may keep it, and the memory is used again.
    return this._onPayload(Buffer.from(payload));
  }

  #sink(payload: Uint8Array): boolean {
    if (payload.length <= DATA_HEAD_BYTES) return false;
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    const sink = sinks.get(this.#usual)?.get(view.getUint32(1));
    if (sink === undefined || view.getUint32(5) !== payload.length - DATA_HEAD_BYTES) return false;
    return sink(payload.subarray(DATA_HEAD_BYTES));
  }
}

const require = createRequire(import.meta.url);
const crypto = require('ssh2/lib/protocol/crypto.js') as Ssh2Crypto;
const { createCipher, createDecipher } = crypto;
crypto.createCipher = (config) =>
  GCM_NAMES.includes(config.outbound.cipherInfo.sslName)
    ? new Sealer(config)
    : createCipher(config);
crypto.createDecipher = (config) =>
  GCM_NAMES.includes(config.inbound.decipherInfo.sslName)
    ? new Opener(config)
    : createDecipher(config);

/** ssh2 itself. */
export const ssh2 = require('ssh2') as typeof Ssh2;

/** Whether the connection's bytes are used up within the call that brings them: ssh2 keeps pieces of those in the clear. */
export function isSealed(connection: Ssh2.Connection): boolean {
  const { _protocol: protocol } = connection as unknown as Channel['_client'];
  return protocol._decipher instanceof Opener;
}

/**
 * From now on `take` gets what comes over the channel as soon as it is opened, and copies it within the call; its memory
 * is used again. For a channel whose 'data' events have the same taker, and whose window ssh2 does not keep.
 */
export function takeDirectly(channel: Ssh2.ServerChannel, take: (data: Uint8Array) => void): void {
  const {
    incoming,
    _client: { _protocol: protocol },
  } = channel as unknown as Channel;
  const ofConnection = sinks.get(protocol._onPayload) ?? new Map<number, Sink>();
  sinks.set(protocol._onPayload, ofConnection);
  const { id } = incoming;
  ofConnection.set(id, (data) => {
    // What came before goes first.
    if (channel.readableFlowing !== true || channel.readableLength > 0) return false;
    if (incoming.state !== 'open') return false;
    incoming.window -= data.length;
    protocol._onPacket();
    take(data);
    return true;
  });
  channel.once('close', () => ofConnection.delete(id));
}

/**
 * Writes to a channel: large writes as one buffer of packets each. `done` is called when more may be written, as by
 * Node's streams.
 */
export function packetWriter(
  channel: Ssh2.ServerChannel | Ssh2.ClientChannel,
  socket: Socket,
): (bytes: Uint8Array, done: () => void) => void {
  const its = channel as unknown as Channel;
  const {
    outgoing,
    _client: { _protocol: protocol },
  } = its;
  const partBytes = Math.min(outgoing.packetSize, PART_BYTES_MAX);
  const sealer = (): Sealer | undefined => {
    const { _cipher: cipher, _kexinit: exchange } = protocol;
    const usable =
      cipher instanceof Sealer && exchange === undefined && partBytes >= PART_BYTES_MIN;
    return usable && outgoing.state === 'open' && socket.writable ? cipher : undefined;
  };
  const write = (bytes: Uint8Array, start: number, done: () => void): void => {
    for (let at = start; at < bytes.length;) {
      const cipher = sealer();
      if (cipher === undefined) {
        its._write(bytes.subarray(at), null, done);
        return;
      }
      const count = Math.min(bytes.length - at, outgoing.window, SEALED_DATA_BYTES_MAX);
      if (count === 0) {
        its._waitWindow = true;
        its._chunk = undefined;
        its._chunkcb = () => write(bytes, at, done);
        return;
      }
      const room = spares.pop() ?? new Uint8Array(PACKETS_BYTES);
      const packetsBytes = cipher.sealData(
        outgoing.id,
        bytes.subarray(at, at + count),
        partBytes,
        room,
      );
      outgoing.window -= count;
      at += count;
      socket.write(room.subarray(0, packetsBytes), () => {
        if (spares.length < SPARE_COUNT_MAX) spares.push(room);
      });
    }
    done();
  };
  return (bytes, done) => {
    const isIdle = channel.writableLength === 0 && !its._waitWindow;
    if (bytes.length >= WRITE_BYTES_MIN && isIdle && sealer() !== undefined) write(bytes, 0, done);
    else channel.write(bytes, done);
  };
}
