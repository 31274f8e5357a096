/** What servers acknowledged before their power failed, and whether they still have it. */
import { isCapstanError } from '../../../src/base/errors.ts';
import type { ApiClient } from '../../../src/api/client.ts';
import type { CopyRuleRow, EventRow, GenerationRow, TapeRow } from '../../../src/ports/catalog.ts';
import type { VerifyReport } from '../../../src/ports/engine.ts';

type ShownTape = TapeRow & { readonly generations: readonly GenerationRow[] };

/** As many entries of the event log as a page of it has at most. */
const PAGE_COUNT = 10_000;
const ACKNOWLEDGEMENT = /^ack (logged|tape|copy|run) (\S+)(?: (\d+))? (\d+)$/;

export class Ledger {
  /** Of the server that said it. */
  readonly #logged = new Set<number>();
  readonly #runs = new Set<number>();
  readonly #tapes = new Map<string, number>();
  /** Of the server that the copies went to. */
  readonly copies = new Map<string, number>();
  /** Digests of what was found, which never change: `OUT001 7`. */
  readonly #digests = new Map<string, string>();
  acknowledgedCount = 0;

  /**
   * Takes in what a server said until its power failed; what it said later counts for nothing: a sync
   * that was under way is at times acknowledged by the kernel and lost all the same.
   */
  add(said: string, cutAtNs: bigint): void {
    for (const line of said.split('\n')) {
      const match = ACKNOWLEDGEMENT.exec(line);
      if (match === null || BigInt(match[4] ?? 0) >= cutAtNs) continue;
      const [, what = '', subject = '', generation = '0'] = match;
      this.acknowledgedCount += 1;
      if (what === 'logged') this.#logged.add(Number(subject));
      if (what === 'run') this.#runs.add(Number(subject));
      if (what === 'tape') raise(this.#tapes, subject, Number(generation));
      if (what === 'copy') raise(this.copies, subject, Number(generation));
    }
  }

  /** Sentences about what is lost or damaged at the server; `copied` is what it has acknowledged to another. */
  async check(client: ApiClient, copied: ReadonlyMap<string, number>): Promise<readonly string[]> {
    const lost: string[] = [];
    const tapes = (await client.call('tape.list', {})) as readonly TapeRow[];
    for (const owed of [this.#tapes, copied]) {
      for (const [name, generation] of owed) {
        const found = tapes.find((tape) => tape.name === name)?.generation;
        if ((found ?? -1) < generation) {
          lost.push(`${name} of generation ${generation} was acknowledged, found is ${found}`);
        }
      }
    }
    for (const { name } of tapes) lost.push(...this.#compare(name, await showTape(client, name)));
    const events = (await client.call('events.list', { limit: PAGE_COUNT })) as readonly EventRow[];
    const ids = new Set(events.map(({ id }) => id));
    const missing = [...this.#logged].filter((id) => !ids.has(id));
    if (missing.length > 0) lost.push(`the event log lacks the entries ${missing.join(', ')}`);
    lost.push(...(await this.#checkRuns(client)));
    const { damages } = (await client.call('tape.verify', {})) as VerifyReport;
    for (const { place, what } of damages) lost.push(`damage at ${place}: ${what}`);
    return lost;
  }

  /** A generation's content, once found, is always the same. */
  #compare(name: string, tape: ShownTape): readonly string[] {
    const lost: string[] = [];
    for (const { generation, manifestDigest } of tape.generations) {
      const key = `${name} ${generation}`;
      const before = this.#digests.get(key);
      if (before !== undefined && before !== manifestDigest) {
        lost.push(`${name} of generation ${generation} has another content than before`);
      }
      this.#digests.set(key, manifestDigest);
    }
    return lost;
  }

  async #checkRuns(client: ApiClient): Promise<readonly string[]> {
    if (this.#runs.size === 0) return [];
    const runs = (await client.call('idr.runs', { limit: 1000 })) as readonly {
      readonly id: number;
      readonly state: string;
    }[];
    return [...this.#runs]
      .filter((id) => runs.find((run) => run.id === id)?.state !== 'done')
      .map((id) => `the run ${id} of Instant DR was done and is not`);
  }
}

export async function showTape(client: ApiClient, name: string): Promise<ShownTape> {
  return (await client.call('tape.show', { name })) as ShownTape;
}

/** Sentences about tapes that two servers do not have alike. */
export async function differences(
  one: ApiClient,
  other: ApiClient,
  names: readonly string[],
): Promise<readonly string[]> {
  const contentOf = async (client: ApiClient, name: string): Promise<string> => {
    const tape = await showTape(client, name).catch((error: unknown) => {
      if (isCapstanError(error, 'NOT_FOUND')) return undefined;
      throw error;
    });
    if (tape === undefined) return 'nothing';
    const row = tape.generations.find(({ generation }) => generation === tape.generation);
    return `generation ${tape.generation}, manifest ${row?.manifestDigest}`;
  };
  const lines: string[] = [];
  for (const name of names) {
    const [first, second] = await Promise.all([contentOf(one, name), contentOf(other, name)]);
    if (first !== second) lines.push(`${name}: ${first} here, ${second} there`);
  }
  return lines;
}

/** The target of AutoCopy and Instant DR. */
export type Target = CopyRuleRow['target'];

function raise(map: Map<string, number>, name: string, generation: number): void {
  map.set(name, Math.max(generation, map.get(name) ?? 0));
}
