/**
 * Vault access: a user who has some vaults only sees and uses their pools and tapes, and no others.
 *
 * It holds for every operation, of whatever area. What an operation names stands in the schema of its
 * parameters (operations/subjects.ts): what lies in another vault is refused. Rows of a result that are
 * about such a thing are left out. An operation that changes something and names nothing of the user's (a
 * verification of everything, rules of the server as a whole) needs the right to all vaults. The event log
 * and its stream leave out what is about another vault, or may be about any; metrics.ts does so with the
 * metrics.
 */
import { CapstanError, isCapstanError } from '../base/errors.ts';
import type { Catalog, EventSubject } from '../ports/catalog.ts';
import type { Principal } from './access.ts';
import type { ServerContext, ServerEvent } from './context.ts';
import type { Operation } from './operations/operation.ts';
import { subjectsIn } from './operations/subjects.ts';
import type { Subject } from './operations/subjects.ts';
import { RIGHTS } from './rights.ts';

/** Areas of operations that are about no vault, pool or tape, or filter by themselves. */
const AREAS_OF_SERVER: ReadonlySet<string> = new Set([
  'events',
  'access',
  'user',
  'session',
  'token',
  'account',
  'licence',
  'host',
]);
/** Areas whose operations say by their parameters which vault they are about. */
const AREAS_OF_TAPES: ReadonlySet<string> = new Set(['vault', 'pool', 'tape', 'mount', 'lock']);

type Row = Readonly<Record<string, unknown>>;
type Sight = 'seen' | 'hidden' | 'nothing';

/** What lies in some vaults, and what does not, as of one moment. */
export class VaultScope {
  readonly #catalog: Catalog;
  readonly #vaults: ReadonlySet<string>;
  readonly #sights = new Map<string, Sight>();

  constructor(catalog: Catalog, vaults: ReadonlySet<string>) {
    this.#catalog = catalog;
    this.#vaults = vaults;
  }

  /** 'nothing' where there is nothing of that name. */
  async sightOf(subject: Subject): Promise<Sight> {
    const key = `${subject.kind} ${subject.name}`;
    const known = this.#sights.get(key);
    if (known !== undefined) return known;
    const vault = await this.#vaultOf(subject);
    const sight = vault === undefined ? 'nothing' : this.#vaults.has(vault) ? 'seen' : 'hidden';
    this.#sights.set(key, sight);
    return sight;
  }

  async #vaultOf({ kind, name }: Subject): Promise<string | undefined> {
    switch (kind) {
      case 'vault':
        return (await this.#catalog.listVaults()).find((row) => row.name === name)?.name;
      case 'pool':
        return (await this.#catalog.listPools()).find((row) => row.name === name)?.vault;
      case 'tape':
        return (await this.#catalog.findTape(name))?.vault;
      case 'copy rule': {
        const rules = await this.#catalog.listCopyRules();
        const rule = rules.find(({ id }) => String(id) === name);
        return rule && this.#vaultOf({ kind: 'pool', name: rule.pool });
      }
    }
  }

  /** Whether what happens is to be told. */
  async hears(event: ServerEvent): Promise<boolean> {
    switch (event.kind) {
      case 'event-logged': {
        const where = { vaults: [...this.#vaults] };
        const afterId = event.row.id - 1;
        const [row] = await this.#catalog.listEvents({ afterId, limit: 1, where });
        return row?.id === event.row.id;
      }
      case 'mounted':
      case 'dismounted':
        return (await this.sightOf({ kind: 'tape', name: event.mount.tape })) === 'seen';
      case 'copy-started':
      case 'copy-progress':
      case 'copy-finished':
      case 'copy-attempt-failed':
      case 'idr-tape':
        return (await this.sightOf({ kind: 'tape', name: event.tape })) === 'seen';
      case 'collect-progress':
        return this.#vaults.has(event.vault);
      case 'verify-progress':
        // It names nothing.
        return true;
      case 'ems-line':
      case 'idr-run':
      case 'fault':
        // It may name whatever there is.
        return false;
    }
  }
}

/** Those of `rows` that are about what the caller may see, where `subjectOf` says what that is. */
export async function rowsFor<Each>(
  { ports }: ServerContext,
  { vaults }: Principal,
  rows: readonly Each[],
  subjectOf: (row: Each) => Subject,
): Promise<readonly Each[]> {
  if (vaults === 'all') return rows;
  const scope = new VaultScope(ports.catalog, vaults);
  const seen: Each[] = [];
  for (const row of rows) if ((await scope.sightOf(subjectOf(row))) === 'seen') seen.push(row);
  return seen;
}

export class VaultView {
  readonly #caller: Principal;
  readonly #entry: Pick<Operation, 'parameters' | 'changes'>;
  readonly #area: string;
  readonly #isList: boolean;
  readonly #scope: VaultScope;

  private constructor(
    caller: Principal,
    operation: string,
    entry: Pick<Operation, 'parameters' | 'changes'>,
    scope: VaultScope,
  ) {
    this.#caller = caller;
    this.#entry = entry;
    this.#area = operation.split('.')[0] ?? '';
    this.#isList = operation.endsWith('.list');
    this.#scope = scope;
  }

  /** What the caller may see; undefined where that is everything. */
  static of(
    context: ServerContext,
    caller: Principal,
    operation: string,
    entry: Pick<Operation, 'parameters' | 'changes'>,
  ): VaultView | undefined {
    if (caller.vaults === 'all') return undefined;
    const scope = new VaultScope(context.ports.catalog, caller.vaults);
    return new VaultView(caller, operation, entry, scope);
  }

  /** Rejects RIGHT_MISSING where the parameters name what the caller may not use, or say too little. */
  async check(parameters: unknown): Promise<void> {
    if (AREAS_OF_SERVER.has(this.#area)) return;
    const sight = await this.#sightOf(subjectsIn(this.#entry.parameters, parameters));
    if (sight === 'hidden') throw this.#refusal();
    if (this.#isList || sight === 'seen') return;
    if (AREAS_OF_TAPES.has(this.#area) || this.#entry.changes) throw this.#refusal();
  }

  /** The result without the rows that the caller may not see. Rejects RIGHT_MISSING where it is one of them. */
  async filter(result: unknown): Promise<unknown> {
    if (AREAS_OF_SERVER.has(this.#area) || this.#entry.changes) return result;
    if (Array.isArray(result)) return this.#visible(result);
    if (!isRow(result)) return result;
    if ((await this.#sightOf(this.#subjectsOf(result))) === 'hidden') throw this.#refusal();
    const filtered: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(result)) {
      filtered[key] = Array.isArray(value) ? await this.#visible(value) : value;
    }
    return filtered;
  }

  /** What a refusal of the operation itself must not tell: where the thing lies that is in the way. */
  hide(error: unknown): unknown {
    if (!isCapstanError(error, 'ALREADY_EXISTS')) return error;
    return new CapstanError('ALREADY_EXISTS', { ...error.fields, where: '' });
  }

  /** Texts and numbers, and the rows that may be seen. */
  async #visible(values: readonly unknown[]): Promise<readonly unknown[]> {
    const visible: unknown[] = [];
    for (const value of values) {
      if (!isRow(value) || (await this.#isVisible(value))) visible.push(value);
    }
    return visible;
  }

  /** Rows of areas that nobody thought of here are left out unless they name what the caller may see. */
  async #isVisible(row: Row): Promise<boolean> {
    const sight = await this.#sightOf(this.#subjectsOf(row));
    if (sight === 'nothing') return AREAS_OF_TAPES.has(this.#area) || this.#area === 'drive';
    return sight === 'seen';
  }

  /** Hidden where one of them is; seen where one is and none is hidden. */
  async #sightOf(subjects: readonly Subject[]): Promise<Sight> {
    let sight: Sight = 'nothing';
    for (const subject of subjects) {
      const each = await this.#scope.sightOf(subject);
      if (each === 'hidden') return each;
      if (each === 'seen') sight = each;
    }
    return sight;
  }

  /** What a row is about. Its vault says it all. */
  #subjectsOf(row: Row): readonly EventSubject[] {
    const { vault, pool, tape, name } = row;
    const own = (['vault', 'pool', 'tape'] as const).find((kind) => kind === this.#area);
    const all = [
      { kind: 'vault', name: vault },
      { kind: 'pool', name: pool },
      { kind: 'tape', name: tape },
      ...(own === undefined ? [] : [{ kind: own, name }]),
    ] as const;
    const named = all.flatMap((each) =>
      typeof each.name === 'string' ? [{ kind: each.kind, name: each.name }] : [],
    );
    return typeof vault === 'string' ? named.slice(0, 1) : named;
  }

  #refusal(): CapstanError {
    const right = RIGHTS['access-to-all-vaults'];
    return new CapstanError('RIGHT_MISSING', { user: this.#caller.user, right });
  }
}

function isRow(value: unknown): value is Row {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
