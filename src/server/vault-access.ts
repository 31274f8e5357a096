/**
 * Vault access: a user who has some vaults only sees and uses their pools and tapes, and no others.
 *
 * It holds for every operation, of whatever area, by what its parameters and its result name: a parameter
 * that is the name of a vault, pool or tape of another vault is refused; rows of a result that are about
 * such a one are left out. An operation that names nothing it could be judged by (a verification of
 * everything, rules of the server as a whole) needs the right to all vaults. Counts, metrics and the event
 * log tell of the whole server; they have rights of their own.
 */
import { CapstanError } from '../base/errors.ts';
import type { Principal } from './access.ts';
import type { ServerContext } from './context.ts';
import { RIGHTS } from './rights.ts';

/** Areas of operations that are about no vault, pool or tape, or about the server as a whole. */
const AREAS_OF_SERVER: ReadonlySet<string> = new Set([
  'server',
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

export class VaultView {
  readonly #caller: Principal;
  readonly #area: string;
  readonly #isList: boolean;
  readonly #hidden: ReadonlySet<string>;
  readonly #seen: ReadonlySet<string>;

  private constructor(
    caller: Principal,
    operation: string,
    names: { readonly hidden: ReadonlySet<string>; readonly seen: ReadonlySet<string> },
  ) {
    this.#caller = caller;
    this.#area = operation.split('.')[0] ?? '';
    this.#isList = operation.endsWith('.list');
    this.#hidden = names.hidden;
    this.#seen = names.seen;
  }

  /** What the caller may see of the server as it is now; undefined where that is everything. */
  static async of(
    context: ServerContext,
    caller: Principal,
    operation: string,
  ): Promise<VaultView | undefined> {
    if (caller.vaults === 'all') return undefined;
    const { catalog } = context.ports;
    const hidden = new Set<string>();
    const seen = new Set<string>();
    const put = (kind: string, name: string, vault: string): void => {
      const may = caller.vaults === 'all' || caller.vaults.has(vault);
      (may ? seen : hidden).add(`${kind} ${name}`);
    };
    for (const { name } of await catalog.listVaults()) put('vault', name, name);
    for (const { name, vault } of await catalog.listPools()) put('pool', name, vault);
    for (const { name, vault } of await catalog.listTapes()) put('tape', name, vault);
    return new VaultView(caller, operation, { hidden, seen });
  }

  /** Throws RIGHT_MISSING where the parameters name what the caller may not use, or where they say too little. */
  check(parameters: unknown, changes: boolean): void {
    if (AREAS_OF_SERVER.has(this.#area)) return;
    const texts = textsOf(parameters);
    const isOf = (names: ReadonlySet<string>): boolean =>
      texts.some((text) => ['vault', 'pool', 'tape'].some((kind) => names.has(`${kind} ${text}`)));
    if (isOf(this.#hidden)) throw this.#refusal();
    if (this.#isList) return;
    if (AREAS_OF_TAPES.has(this.#area) ? !isOf(this.#seen) : changes) throw this.#refusal();
  }

  /** The result without the rows that the caller may not see. Throws RIGHT_MISSING where it is one of them. */
  filter(result: unknown): unknown {
    if (AREAS_OF_SERVER.has(this.#area)) return result;
    if (Array.isArray(result)) return result.filter((row) => this.#isVisible(row));
    if (!isRow(result)) return result;
    if (this.#namesHidden(result)) throw this.#refusal();
    return Object.fromEntries(
      Object.entries(result).map(([key, value]: [string, unknown]) => [
        key,
        Array.isArray(value) ? value.filter((row) => !isRow(row) || this.#isVisible(row)) : value,
      ]),
    );
  }

  /** Rows of areas that nobody thought of here are left out unless they name what the caller may see. */
  #isVisible(row: unknown): boolean {
    if (!isRow(row) || this.#namesHidden(row)) return false;
    if (AREAS_OF_TAPES.has(this.#area) || this.#area === 'drive') return true;
    return this.#keysOf(row).some((key) => this.#seen.has(key));
  }

  #namesHidden(row: Row): boolean {
    return this.#keysOf(row).some((key) => this.#hidden.has(key));
  }

  #keysOf(row: Row): readonly string[] {
    const { vault, pool, tape, name } = row;
    const own = AREAS_OF_TAPES.has(this.#area) ? `${this.#area} ${textOf(name)}` : '';
    return [`vault ${textOf(vault)}`, `pool ${textOf(pool)}`, `tape ${textOf(tape)}`, own];
  }

  #refusal(): CapstanError {
    const right = RIGHTS['access-to-all-vaults'];
    return new CapstanError('RIGHT_MISSING', { user: this.#caller.user, right });
  }
}

function isRow(value: unknown): value is Row {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** Every text in a value, however deep. */
function textsOf(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  if (value === null || typeof value !== 'object') return [];
  return Object.values(value).flatMap(textsOf);
}
