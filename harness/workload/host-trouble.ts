/** A host that talks rubbish in its event log, and whose TACL is none for a while. */
import { isCapstanError } from '../../src/base/errors.ts';
import type { DuplexStream, Listener } from '../../src/ports/network.ts';
import { Life } from '../world/life.ts';
import type { SimulatedRandom } from '../world/simulated-random.ts';
import { TACL_PORT } from './batch-host.ts';
import type { BatchHost } from './batch-host.ts';
import type { DataCentre } from './data-centre.ts';

export const RUBBISH = ['prompt', 'half an event', 'long text', 'bells'] as const;
/** What such a TACL says to who connects. */
export const NONSENSE = ['nothing', 'bytes', 'prompts', 'goodbye'] as const;

const LOGGED_TEXT_CHARS_MAX = 1000;
const TEXTS: Readonly<Record<(typeof RUBBISH)[number], string>> = {
  prompt: 'TACL 1> LOGON',
  'half an event': '$ZSVR: 0007 MOUNT',
  'long text': `$ZSVR: ${'MOUNT LAB001 '.repeat(300)}`,
  bells: '\u0007\u0007$ZSVR: 0001 VOLUME LAB001 MOUNTED',
};

export class HostTrouble {
  readonly #centre: DataCentre;
  readonly #batchHost: BatchHost;
  readonly #chance: SimulatedRandom;
  #listener: Listener | undefined;

  constructor(centre: DataCentre, host: BatchHost, chance: SimulatedRandom) {
    this.#centre = centre;
    this.#batchHost = host;
    this.#chance = chance;
  }

  /** Some process of the host logs what looks like what it is not. */
  rubbish(kind: (typeof RUBBISH)[number]): void {
    const { host } = this.#batchHost;
    if (kind === 'long text') host.logText(TEXTS[kind].slice(0, LOGGED_TEXT_CHARS_MAX));
    else host.collector.write('$ZSVR', TEXTS[kind]);
  }

  /** Its session is lost, and who connects then is told nonsense for so long. */
  async nonsense(kind: (typeof NONSENSE)[number], durationMs: number): Promise<void> {
    const { world } = this.#centre;
    const { address } = this.#batchHost;
    await this.#batchHost.close();
    this.#centre.hostWire(this.#batchHost).cut();
    const life = new Life();
    const endpoint = { address, port: TACL_PORT };
    this.#listener = await world.network.port(address, life).listen(endpoint, (stream) => {
      void this.#talk(stream, kind, life);
    });
    await world.advance(durationMs);
    await this.sanity();
  }

  async #talk(stream: DuplexStream, kind: (typeof NONSENSE)[number], life: Life): Promise<void> {
    try {
      while (!life.ended) {
        if (kind === 'goodbye') return await stream.end();
        if (kind === 'bytes') await stream.write(this.#chance.bytes(200));
        if (kind === 'prompts') await stream.write(new TextEncoder().encode('\r\nTACL 1>'));
        if ((await stream.read()) === undefined) return;
      }
    } catch (error) {
      if (!isCapstanError(error, 'CONNECTION_LOST')) throw error;
    } finally {
      stream.destroy();
    }
  }

  /** The host's TACL is its own again. */
  async sanity(): Promise<void> {
    if (this.#listener === undefined) return;
    await this.#listener.close();
    this.#listener = undefined;
    this.#centre.hostWire(this.#batchHost).cut();
    await this.#batchHost.listen();
  }
}
