/**
 * The roles of a scheme's two servers, and how they are exchanged with no tape lost.
 *
 * The source gives its role up in this order, each step durable before the next:
 * 1. it asks the target for its versions, and refuses where both sides changed a tape;
 * 2. it is 'handing-over': no run starts any more but the one that brings over what only it changed;
 * 3. it asks once more; where a tape is still newer here, it is the source again and says why;
 * 4. the target becomes the source, and says so;
 * 5. it is the standby.
 * So the two are never both the source. Where the answer of step 4 is lost, it stays 'handing-over', and
 * the next swap goes on. What only the target changed comes back with the first run from there.
 *
 * Where the source is lost, the standby takes its role over by force. The old source, once it is back,
 * refuses its runs' target (which says that it is the source), until `swap` there gives the role up;
 * that is refused where both changed a tape meanwhile.
 */
import { CapstanError, isCapstanError } from '../base/errors.ts';
import type { IdrRole, IdrSchemeRow } from '../ports/catalog-instant-dr.ts';
import type { Holding, InstantDrReceiver, TapeInquiry } from '../ports/copy-receiver.ts';
import { INQUIRY_COUNT_MAX } from '../replication/frame.ts';
import type { CopySender } from '../replication/sender.ts';
import type { ServerContext } from './context.ts';
import type { Copies } from './copies.ts';
import type { SchemeRoles } from './copy-inquiries.ts';
import { relate, versionOf } from './copy-lineage.ts';
import type { Relation } from './copy-lineage.ts';
import type { InstantDr } from './instant-dr.ts';
import { contentKept } from './instant-dr-outcomes.ts';
import { poolsOf, schemeOf } from './instant-dr-schemes.ts';
import type { PoolPair } from './instant-dr-schemes.ts';
import type { Vaults } from './vaults.ts';

/** Tapes that a refusal names. */
const NAMED_MAX = 10;

interface Compared {
  readonly tape: string;
  readonly relation: Relation | 'other-pool';
  readonly mounted: 'here' | 'there' | undefined;
  /** Its content is gone here, and its copy there stays as it is. */
  readonly isKept: boolean;
}

export class InstantDrRoles implements SchemeRoles {
  readonly #context: ServerContext;
  readonly #vaults: Vaults;
  readonly #copies: Copies;
  readonly #busyTapes: ReadonlySet<string>;
  readonly #instantDr: InstantDr;
  readonly #swapping = new Set<string>();

  constructor(options: {
    readonly context: ServerContext;
    readonly vaults: Vaults;
    readonly copies: Copies;
    readonly busyTapes: ReadonlySet<string>;
    readonly instantDr: InstantDr;
  }) {
    this.#context = options.context;
    this.#vaults = options.vaults;
    this.#copies = options.copies;
    this.#busyTapes = options.busyTapes;
    this.#instantDr = options.instantDr;
  }

  /**
   * Exchanges the roles of a scheme; the scheme as it then is here. With `takeover`, this server becomes
   * the source without asking the other. Rejects INVALID_ARGUMENT where that would lose a tape, and says
   * which; IN_USE; and as connections do.
   */
  async swap(name: string, options: { readonly takeover: boolean }): Promise<IdrSchemeRow> {
    await this.#context.licences.require('instant-dr');
    if (this.#swapping.has(name)) {
      throw new CapstanError('IN_USE', { kind: 'scheme', name, by: 'its roles are being swapped' });
    }
    this.#swapping.add(name);
    try {
      const scheme = await schemeOf(this.#context, name);
      if (options.takeover) return await this.#takeByForce(scheme);
      if (scheme.role === 'standby') {
        throw refused(
          name,
          `its source is ${scheme.target.server}: swap there, or with --takeover here where that server is lost`,
        );
      }
      return await this.#handOver(scheme);
    } finally {
      this.#swapping.delete(name);
    }
  }

  async #takeByForce(scheme: IdrSchemeRow): Promise<IdrSchemeRow> {
    if (scheme.role === 'source') throw refused(scheme.name, 'this server is its source already');
    return this.#become(scheme, 'source', 'taken over without the other server');
  }

  async #handOver(scheme: IdrSchemeRow): Promise<IdrSchemeRow> {
    const pools = await poolsOf(this.#context, scheme.sources);
    await this.#checkNoTapeIsLost(scheme, pools);
    const { catalog } = this.#context.ports;
    const handing = { ...scheme, role: 'handing-over' } as const;
    await catalog.putIdrScheme(handing);
    try {
      const what = { kind: 'synchronise', cause: 'swap', pool: undefined } as const;
      await this.#instantDr.launch(handing, what);
      await this.#instantDr.runOver(scheme.name);
      await this.#checkAllIsThere(scheme, pools);
    } catch (error) {
      // Nothing was asked of the target yet.
      await this.#staySource(scheme);
      throw error;
    }
    try {
      await this.#withTarget(scheme, (sender) => sender.takeOver({ scheme: scheme.name, pools }));
    } catch (error) {
      // A refusal is an answer; any other error leaves open what the target has done.
      if (isCapstanError(error, 'PEER_REFUSED')) await this.#staySource(scheme);
      throw error;
    }
    return this.#become(scheme, 'standby', '');
  }

  /** What its schedules said meanwhile is not made up. */
  async #staySource(scheme: IdrSchemeRow): Promise<void> {
    const { catalog, clock } = this.#context.ports;
    await catalog.putIdrScheme({ ...scheme, role: 'source', answeredAtMs: clock.nowMs() });
    this.#instantDr.look();
  }

  async #become(
    scheme: IdrSchemeRow,
    role: Exclude<IdrRole, 'handing-over'>,
    reason: string,
  ): Promise<IdrSchemeRow> {
    const { eventLog, ports } = this.#context;
    const row = { ...scheme, role, answeredAtMs: ports.clock.nowMs() };
    const fields = { scheme: scheme.name, other: scheme.target.server };
    const entry =
      role === 'source'
        ? eventLog.entry('IDR_ROLE_TAKEN', { ...fields, reason })
        : eventLog.entry('IDR_ROLE_GIVEN', fields);
    const logged = await ports.catalog.putIdrScheme(row, entry);
    if (logged !== undefined) this.#context.emit({ kind: 'event-logged', row: logged });
    this.#instantDr.look();
    return row;
  }

  async #checkNoTapeIsLost(scheme: IdrSchemeRow, pools: readonly PoolPair[]): Promise<void> {
    const compared = await this.#compare(scheme, pools);
    const conflicts = compared.filter(({ relation }) => relation === 'both-changed');
    if (conflicts.length > 0) {
      const { server } = scheme.target;
      throw refused(
        scheme.name,
        `both this server and ${server} have changed ${named(conflicts)} since they were in step; ` +
          'decide which one counts, and delete or rename the other',
      );
    }
    const elsewhere = compared.filter(({ relation }) => relation === 'other-pool');
    if (elsewhere.length > 0) {
      throw refused(scheme.name, `the target has ${named(elsewhere)} in another pool`);
    }
    this.#refuseMounted(scheme, compared);
  }

  /** A tape that a host writes here now would be newer here again. */
  #refuseMounted(scheme: IdrSchemeRow, compared: readonly Compared[]): void {
    const here = compared.filter(({ mounted }) => mounted === 'here');
    if (here.length > 0) throw refused(scheme.name, `${named(here)} is mounted on this server`);
    const ahead = compared.filter(
      ({ mounted, relation }) =>
        mounted === 'there' && (relation === 'ours-newer' || relation === 'absent'),
    );
    if (ahead.length > 0) {
      throw refused(scheme.name, `${named(ahead)} is mounted on the target and newer here`);
    }
  }

  async #checkAllIsThere(scheme: IdrSchemeRow, pools: readonly PoolPair[]): Promise<void> {
    await this.#checkNoTapeIsLost(scheme, pools);
    const left = (await this.#compare(scheme, pools)).filter(
      ({ relation, isKept }) => (relation === 'ours-newer' && !isKept) || relation === 'absent',
    );
    if (left.length === 0) return;
    throw refused(
      scheme.name,
      `${named(left)} could not be brought to ${scheme.target.server}; \`capstan idr report\` tells why`,
    );
  }

  async #compare(scheme: IdrSchemeRow, pools: readonly PoolPair[]): Promise<readonly Compared[]> {
    const { catalog, clock } = this.#context.ports;
    const asked: TapeInquiry[] = [];
    const kept = new Set<string>();
    for (const { pool, targetPool } of pools) {
      for (const tape of await catalog.listTapes(pool)) {
        const version = await versionOf(catalog, this.#vaults, tape);
        if (contentKept(tape, scheme, clock.nowMs()) !== undefined) kept.add(tape.name);
        asked.push({ tape: tape.name, pool: targetPool, ...version });
      }
    }
    const holdings: (Holding | undefined)[] = [];
    await this.#withTarget(scheme, async (sender) => {
      for (let first = 0; first < asked.length; first += INQUIRY_COUNT_MAX) {
        const tapes = asked.slice(first, first + INQUIRY_COUNT_MAX);
        holdings.push(...(await sender.inquire({ scheme: '', thorough: false, tapes })));
      }
    });
    return Promise.all(
      asked.map(async (ours, index) => {
        const held = holdings[index];
        const { tape, pool } = ours;
        const here = this.#busyTapes.has(tape);
        const relation: Compared['relation'] =
          held !== undefined && held.pool !== pool
            ? 'other-pool'
            : await relate(catalog, { name: tape, current: ours }, held);
        const mounted = here ? 'here' : held?.mounted === true ? 'there' : undefined;
        return { tape, relation, mounted, isKept: kept.has(tape) };
      }),
    );
  }

  async #withTarget(
    scheme: IdrSchemeRow,
    work: (sender: CopySender) => Promise<void>,
  ): Promise<void> {
    const sender = await this.#copies.connect(scheme.target, []);
    await sender.during(work);
  }

  async checkIsTarget(name: string, sourceServer: string): Promise<void> {
    const scheme = await this.#schemeFor(name, sourceServer);
    if (scheme?.role !== 'source') return;
    throw this.#refusal(
      name,
      `this server is the source of ${name} itself; \`capstan idr swap ${name}\` on ${sourceServer} gives the role up there`,
    );
  }

  async takeOver(request: Parameters<InstantDrReceiver['takeOver']>[0]): Promise<void> {
    const { scheme: name, sourceServer, pools } = request;
    const scheme = await this.#schemeFor(name, sourceServer);
    if (scheme === undefined) {
      throw this.#refusal(
        name,
        `no scheme ${name} with target ${sourceServer} is set up there; make one with \`capstan idr create ${name} --role standby\``,
      );
    }
    if (scheme.role === 'source') return;
    if (scheme.role === 'handing-over') {
      throw this.#refusal(name, 'that server is handing its own role over');
    }
    const lacking = pools.filter((pair) => !this.#covers(scheme, pair));
    const vaults = new Map(
      (await this.#context.ports.catalog.listPools()).map((pool) => [pool.name, pool.vault]),
    );
    const left = lacking.filter(
      ({ pool, targetPool }) =>
        pool !== targetPool ||
        !scheme.sources.some(
          (source) => 'vault' in source && source.vault === vaults.get(targetPool),
        ),
    );
    if (left.length > 0) {
      const names = left.map((pair) => pair.targetPool).join(', ');
      throw this.#refusal(name, `the scheme there does not bring back ${names}`);
    }
    await this.#become(scheme, 'source', `${sourceServer} has handed it over`);
  }

  #covers(scheme: IdrSchemeRow, { pool, targetPool }: PoolPair): boolean {
    return scheme.sources.some(
      (source) => 'pool' in source && source.pool === targetPool && source.targetPool === pool,
    );
  }

  async #schemeFor(name: string, server: string): Promise<IdrSchemeRow | undefined> {
    const schemes = await this.#context.ports.catalog.listIdrSchemes();
    return schemes.find((each) => each.name === name && each.target.server === server);
  }

  #refusal(name: string, reason: string): CapstanError {
    const peer = this.#context.settings.serverName;
    return new CapstanError('PEER_REFUSED', { peer, what: `the scheme ${name}`, reason });
  }
}

function refused(scheme: string, reason: string): CapstanError {
  return new CapstanError('INVALID_ARGUMENT', { what: `The swap of the scheme ${scheme}`, reason });
}

function named(tapes: readonly { readonly tape: string }[]): string {
  const names = tapes.slice(0, NAMED_MAX).map(({ tape }) => tape);
  const more = tapes.length - names.length;
  return names.join(', ') + (more > 0 ? ` and ${more} more` : '');
}
