/**
 * A scripted scenario that is played on two kinds of stage: in the simulated world, and with real
 * processes (harness/rig/real-stage.ts). East and west, a NonStop host at east; AutoCopy with a target that
 * is down and comes back, a server killed with a tape in its drive, a host that crashes, commands of the
 * host, runs of Instant DR, roles swapped and back.
 *
 * What both stages must have in common is the sequence of what happens, so the script never has two
 * things under way that could overtake each other: it waits for what it began, by the event log.
 */
import type { CopyTarget, EventRow, GenerationRow, TapeRow } from '../../src/ports/catalog.ts';
import type { IdrRunRow } from '../../src/ports/catalog-instant-dr.ts';
import { EVENT_MESSAGES } from '../../src/server/event-messages.ts';
import type { EventMessage } from '../../src/server/event-messages.ts';
import { backup, restore } from '../hosts/backup-jobs.ts';
import type { HostLine } from '../hosts/host-line.ts';
import type { MountedTape } from '../hosts/mount-request.ts';
import type { NonStopHost } from '../hosts/nonstop-host.ts';
import { sendByFup, sendByMacro } from '../hosts/policy-routes.ts';
import { SimulatedRandom } from '../world/simulated-random.ts';
import type { Side } from './dr-sides.ts';

export const TWO_SITES = {
  node: '\\LAB',
  user: 'SUPER.TAPE',
  password: 'secret',
  drive: 'VTD01',
  device: '$TAPE0',
  vault: 'VAULT00',
} as const;

/** Where a script is played. */
export interface Stage {
  readonly host: NonStopHost;
  /** The line of {@link host}'s TACL port. */
  readonly line: HostLine;
  /** An operation of a user of a side's machine. */
  call(side: Side, operation: string, parameters: object): Promise<unknown>;
  /** Waits for what was begun. */
  finish<Value>(work: Promise<Value>): Promise<Value>;
  /** Lets time go by. */
  pause(durationMs: number): Promise<void>;
  /** Waits until `condition` holds; rejects with `what` where it does not for very long. */
  until(what: string, condition: () => Promise<boolean>): Promise<void>;
  /** Ends a side's programs at once, and shuts its door to other servers. */
  kill(side: Side): Promise<void>;
  /** Starts a side's server, its door shut; resolves when it serves. */
  start(side: Side): Promise<void>;
  /** Lets other servers reach a side; or no more. */
  setDoor(side: Side, state: 'open' | 'shut'): Promise<void>;
  /** Opens the host's TACL port, again after {@link HostLine.takeDown}. */
  openHost(): Promise<void>;
  /** How the other server reaches `side`. */
  target(side: Side): CopyTarget;
}

/** What was to be seen of a play: what is compared between two stages. */
export interface Recording {
  readonly acts: readonly Act[];
  /** Text of every TACL session, in their order. */
  readonly conversations: readonly { readonly fromHost: string; readonly fromServer: string }[];
  /** `east LAB001 generation 2, manifest …` */
  readonly tapes: readonly string[];
}

/** An act with the entries that each side's event log got in it. */
export interface Act {
  readonly name: string;
  readonly events: Readonly<Record<Side, readonly EventRow[]>>;
}

const SCHEME = 'NIGHTLY';
const BLOCK_BYTES = 20_000;
const BLOCK_COUNT = 12;
/** The labels' dates are the same whenever it is played: 1 November 2026. */
const LABELLED_AT_MS = 1_793_491_200_000;
const MOUNT_TIMEOUT_MS = 120_000;
const EVENTS_MAX = 10_000;
/** EMS times are whole seconds: what is so far apart is in two of them. */
const APART_MS = 2100;
/** A host has been heard to the end of what it had logged. */
const CATCH_UP_MS = 2500;

/** FUP hands on 102 characters: of this all but the server that it is for. */
const CUT_BY_FUP =
  'VTSPolicy Erase - /VAULT00/DAILY/LAB001 LAB002 LAB003 LAB004 LAB005 LAB006 LAB007 LAB008 LAB009 WEE001 s=west';

/** Plays it from two new servers on; resolves with what was to be seen. */
export async function playTwoSites(stage: Stage, onAct?: (name: string) => void) {
  return new Play(stage, onAct).run();
}

class Play {
  readonly #stage: Stage;
  readonly #onAct: ((name: string) => void) | undefined;
  readonly #acts: Act[] = [];
  readonly #seen: Record<Side, number> = { east: 0, west: 0 };

  constructor(stage: Stage, onAct: ((name: string) => void) | undefined) {
    this.#stage = stage;
    this.#onAct = onAct;
  }

  async run(): Promise<Recording> {
    await this.#act('two servers and a host', () => this.#setUp());
    await this.#act('AutoCopy copies a tape', () => this.#backUp('LAB001', 1, 'COPY_SUCCEEDED'));
    await this.#act('AutoCopy with its target down for two attempts', () => this.#targetDown());
    await this.#act('east is killed with a tape in its drive', () => this.#killEast());
    await this.#act('the host crashes and is back', () => this.#crashHost());
    await this.#act('commands of the host', () => this.#commands());
    await this.#act('Instant DR by command, and by Dispatch with the line down', () =>
      this.#instantDr(),
    );
    await this.#act('the target is verified, roles are swapped and back', () => this.#swap());
    return {
      acts: this.#acts,
      conversations: this.#stage.line.conversations,
      tapes: [...(await this.#versions('east')), ...(await this.#versions('west'))],
    };
  }

  async #act(name: string, work: () => Promise<unknown>): Promise<void> {
    this.#onAct?.(name);
    await work();
    const events = { east: await this.#newEvents('east'), west: await this.#newEvents('west') };
    this.#acts.push({ name, events });
  }

  async #newEvents(side: Side): Promise<readonly EventRow[]> {
    const rows = await this.#events(side, { afterId: this.#seen[side] });
    this.#seen[side] = rows.at(-1)?.id ?? this.#seen[side];
    return rows;
  }

  async #events(side: Side, filter: object): Promise<readonly EventRow[]> {
    const all = { limit: EVENTS_MAX, ...filter };
    return (await this.#stage.call(side, 'events.list', all)) as readonly EventRow[];
  }

  /** Does `work` and waits until the side's log has got so many more entries of the message. */
  async #awaiting(
    side: Side,
    message: EventMessage,
    work: () => Promise<unknown>,
    count = 1,
  ): Promise<void> {
    const entries = async (): Promise<number> =>
      (await this.#events(side, { message: EVENT_MESSAGES[message].id })).length;
    const before = await entries();
    await work();
    await this.#stage.until(
      `${count} more of ${message} at ${side}`,
      async () => (await entries()) >= before + count,
    );
  }

  async #setUp(): Promise<void> {
    const stage = this.#stage;
    const { node, drive, device, vault } = TWO_SITES;
    await stage.openHost();
    for (const side of ['west', 'east'] as const) {
      await stage.start(side);
      await stage.setDoor(side, 'open');
    }
    await stage.until('an EMS session', async () => {
      const ready = await this.#events('east', {
        message: EVENT_MESSAGES.EMS_SESSION_ESTABLISHED.id,
      });
      return ready.length > 0;
    });
    const target = stage.target('west');
    for (const name of ['DAILYDR', 'WEEKLYDR']) {
      await stage.call('west', 'pool.create', { name, vault });
    }
    for (const name of ['DAILY', 'WEEKLY']) {
      await stage.call('east', 'pool.create', { name, vault });
    }
    await stage.call('east', 'drive.create', { name: drive, host: node, device });
    const copied = { pool: 'DAILY', targetPool: 'DAILYDR', target };
    await stage.call('east', 'autocopy.create', copied);
    for (const name of ['LAB001', 'LAB002', 'LAB003']) await this.#newTape(name, 'DAILY');
    await this.#newTape('WEE001', 'WEEKLY');
    await this.#scheme('east', 'source', { pool: 'WEEKLY', targetPool: 'WEEKLYDR' });
    await this.#scheme('west', 'standby', { pool: 'WEEKLYDR', targetPool: 'WEEKLY' });
    await stage.pause(CATCH_UP_MS);
  }

  #newTape(name: string, pool: string): Promise<unknown> {
    return this.#stage.call('east', 'tape.create', { name, pool, labelType: 'backup' });
  }

  #scheme(side: Side, role: string, source: object): Promise<unknown> {
    const target = this.#stage.target(side === 'east' ? 'west' : 'east');
    const scheme = { name: SCHEME, role, target, sources: [source] };
    return this.#stage.call(side, 'idr.create', scheme);
  }

  async #mount(volume: string, ring: boolean): Promise<MountedTape> {
    const asked = { volume, ring, timeoutMs: MOUNT_TIMEOUT_MS };
    return this.#stage.finish(this.#stage.host.requestMount(asked));
  }

  /** The host writes the whole tape and gives it back; `then` is what follows at east. */
  async #backUp(volume: string, version: number, then: EventMessage): Promise<void> {
    const tape = await this.#mount(volume, true);
    await this.#stage.finish(write(tape, volume, version));
    await this.#awaiting('east', then, () => this.#stage.finish(tape.unload()));
  }

  async #targetDown(): Promise<void> {
    const stage = this.#stage;
    await stage.kill('west');
    await stage.start('west');
    const tape = await this.#mount('LAB001', true);
    await stage.finish(write(tape, 'LAB001', 2));
    await this.#awaiting('east', 'COPY_ATTEMPT_FAILED', () => stage.finish(tape.unload()), 2);
    await this.#awaiting('east', 'COPY_SUCCEEDED', () => stage.setDoor('west', 'open'));
  }

  async #killEast(): Promise<void> {
    const stage = this.#stage;
    const tape = await this.#mount('LAB002', true);
    await stage.finish(write(tape, 'LAB002', 1));
    await this.#markTime();
    await this.#awaiting('east', 'EMS_SESSION_ESTABLISHED', async () => {
      await stage.kill('east');
      tape.abandon();
      await stage.start('east');
      await stage.setDoor('east', 'open');
    });
    await stage.pause(CATCH_UP_MS);
    await this.#backUp('LAB002', 2, 'COPY_SUCCEEDED');
  }

  /** An event of the host's that is alone in its second: what a new session is told again. */
  async #markTime(): Promise<void> {
    await this.#stage.pause(APART_MS);
    this.#stage.host.logText('THE BATCH GOES ON');
    await this.#stage.pause(APART_MS);
  }

  async #crashHost(): Promise<void> {
    const stage = this.#stage;
    await this.#markTime();
    await this.#awaiting('east', 'EMS_SESSION_FAILED', () => stage.finish(stage.line.takeDown()));
    await this.#awaiting('east', 'EMS_SESSION_ESTABLISHED', () => stage.openHost());
    await stage.pause(CATCH_UP_MS);
    const tape = await this.#mount('LAB001', false);
    await stage.finish(restore(tape, () => {}));
    await this.#awaiting('east', 'DISMOUNTED', () => stage.finish(tape.unload()));
  }

  async #commands(): Promise<void> {
    const { collector } = this.#stage.host;
    const send = (what: EventMessage, route: typeof sendByMacro, text: string): Promise<void> =>
      this.#awaiting('east', what, async () => route(collector, text));
    await this.#backUp('LAB003', 1, 'COPY_SUCCEEDED');
    await send('POLICY_DONE', sendByMacro, 'VTSPolicy Erase - LAB003 s=east');
    await send('POLICY_FAILED', sendByFup, 'VTSPolicy Erase - LAB009');
    await send('POLICY_REFUSED', sendByMacro, 'vtspolicy erase - LAB001');
    await send('POLICY_REFUSED', sendByFup, CUT_BY_FUP);
    await send('POLICY_FAILED', sendByMacro, "VTSPolicy TSM 'archive /VAULT00/DAILY'");
  }

  async #instantDr(): Promise<void> {
    const stage = this.#stage;
    const { collector } = stage.host;
    const ends = 'IDR_RUN_ENDED';
    await this.#backUp('WEE001', 1, 'DISMOUNTED');
    await this.#awaiting('east', ends, async () =>
      sendByMacro(collector, 'VTSPolicy IDR "/VAULT00/WEEKLY s=east"'),
    );
    // One tape a run: two would be copied at a time, and come in any order.
    await this.#newTape('WEE002', 'WEEKLY');
    await this.#backUp('WEE002', 1, 'DISMOUNTED');
    await stage.setDoor('west', 'shut');
    await this.#awaiting('east', 'IDR_LINE_LOST', () => this.#dispatch('east'), 2);
    await this.#awaiting('east', ends, () => stage.setDoor('west', 'open'));
  }

  #dispatch(side: Side): Promise<unknown> {
    return this.#stage.call(side, 'idr.dispatch', { name: SCHEME });
  }

  async #swap(): Promise<void> {
    const stage = this.#stage;
    const ends = 'IDR_RUN_ENDED';
    const named = { name: SCHEME };
    await this.#awaiting('east', ends, () => stage.call('east', 'idr.verify', named));
    await stage.call('east', 'idr.swap', named);
    // What changes at west while it is the source comes back to east.
    await stage.call('west', 'tape.erase', { name: 'WEE002' });
    await this.#awaiting('west', ends, () => this.#dispatch('west'));
    await stage.call('west', 'idr.swap', named);
    const runs = (await stage.call('east', 'idr.runs', { limit: 1 })) as readonly IdrRunRow[];
    if (runs[0]?.state !== 'done') throw new Error(`the last run is ${runs[0]?.state}`);
  }

  async #versions(side: Side): Promise<readonly string[]> {
    const tapes = (await this.#stage.call(side, 'tape.list', {})) as readonly TapeRow[];
    const lines: string[] = [];
    for (const { name, pool } of tapes) {
      const shown = (await this.#stage.call(side, 'tape.show', { name })) as TapeRow & {
        readonly generations: readonly GenerationRow[];
      };
      const { generation } = shown;
      const row = shown.generations.find((each) => each.generation === generation);
      lines.push(`${side} ${pool} ${name} generation ${generation}, ${row?.manifestDigest}`);
    }
    return lines;
  }
}

/** The whole tape, durable when it resolves: the same blocks for the same version. */
async function write(tape: MountedTape, volume: string, version: number): Promise<void> {
  const random = new SimulatedRandom(Number.parseInt(volume, 36) + version);
  const blocks = Array.from({ length: BLOCK_COUNT }, () => random.bytes(BLOCK_BYTES));
  await backup(tape, { file: 'TWO.SITES', blocks, atMs: LABELLED_AT_MS });
}
