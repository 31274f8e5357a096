/**
 * A SCSI cable between processes: the drives of a server in one, the host that uses them in another. A Unix
 * socket, a JSON line a command and one for its answer; bytes are base64.
 */
import { createConnection, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { CapstanError } from '../../src/base/errors.ts';
import type { ScsiCommand, ScsiResult, ScsiTransport } from '../../src/ports/scsi-transport.ts';

const bytes = z.base64().transform((text) => new Uint8Array(Buffer.from(text, 'base64')));
const base64 = (data: Uint8Array): string => Buffer.from(data).toString('base64');

const COMMAND = z.object({
  id: z.int(),
  drive: z.string(),
  cdb: bytes,
  dataOut: bytes.optional(),
  dataInLength: z.int(),
  timeoutMs: z.number(),
});
const RESULT = z.object({ status: z.int(), sense: bytes, dataIn: bytes, residual: z.int() });
const ANSWER = z.object({ id: z.int(), result: RESULT.optional(), reason: z.string().optional() });

/** Plugs the drives in; resolves when a host can reach them at `path`. */
export async function openCable(
  path: string,
  driveNamed: (name: string) => ScsiTransport,
): Promise<void> {
  const server = createServer((socket) => {
    // A host that is gone needs no answer.
    socket.on('error', () => {});
    createInterface({ input: socket }).on('line', (line) => {
      void answer(line, driveNamed).then((text) => socket.write(`${text}\n`));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
}

async function answer(line: string, driveNamed: (name: string) => ScsiTransport): Promise<string> {
  const { id, drive, dataOut, ...command } = COMMAND.parse(JSON.parse(line));
  try {
    const given = { ...command, ...(dataOut !== undefined && { dataOut }) };
    const { status, sense, dataIn, residual } = await driveNamed(drive).execute(given);
    const result = { status, sense: base64(sense), dataIn: base64(dataIn), residual };
    return JSON.stringify({ id, result });
  } catch (error) {
    return JSON.stringify({ id, reason: error instanceof Error ? error.message : String(error) });
  }
}

interface Waiting {
  readonly resolve: (result: ScsiResult) => void;
  readonly reject: (error: CapstanError) => void;
}

/** The host's end. While no server has its drives at `path` a command rejects CONNECTION_LOST. */
export class ScsiCable {
  readonly #path: string;
  readonly #waiting = new Map<number, Waiting>();
  #socket: Socket | undefined;
  #lastId = 0;

  constructor(path: string) {
    this.#path = path;
  }

  drive(name: string): ScsiTransport {
    return { execute: (command) => this.#execute(name, command) };
  }

  close(): void {
    this.#socket?.destroy();
  }

  #execute(drive: string, { cdb, dataOut, ...rest }: ScsiCommand): Promise<ScsiResult> {
    const id = (this.#lastId += 1);
    const command = {
      id,
      drive,
      cdb: base64(cdb),
      ...(dataOut !== undefined && { dataOut: base64(dataOut) }),
      ...rest,
    };
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#connected().write(`${JSON.stringify(command)}\n`);
    });
  }

  #connected(): Socket {
    if (this.#socket !== undefined) return this.#socket;
    const socket = createConnection(this.#path);
    this.#socket = socket;
    const lost = (reason: string): void => {
      if (this.#socket === socket) this.#socket = undefined;
      for (const { reject } of this.#waiting.values()) {
        reject(new CapstanError('CONNECTION_LOST', { peer: 'the drive', reason }));
      }
      this.#waiting.clear();
    };
    socket.on('error', (error) => lost(error.message));
    socket.on('close', () => lost('the server is gone'));
    createInterface({ input: socket }).on('line', (line) => this.#take(line));
    return socket;
  }

  #take(line: string): void {
    const { id, result, reason = '' } = ANSWER.parse(JSON.parse(line));
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (result !== undefined) waiting?.resolve(result);
    else waiting?.reject(new CapstanError('CONNECTION_LOST', { peer: 'the drive', reason }));
  }
}
