/**
 * Operations on a shared vault that another server keeps: who keeps the vault carries them out, in the name
 * of the user who asked here. Whether that user may is judged here.
 */
import { CapstanError } from '../../base/errors.ts';
import type { Catalog } from '../../ports/catalog.ts';
import { localPrincipal } from '../access.ts';
import type { ServerContext } from '../context.ts';
import type { Operations } from '../operations.ts';
import { VaultScope } from '../vault-access.ts';
import type { Operation } from './operation.ts';
import { subjectsIn } from './subjects.ts';
import type { Subject } from './subjects.ts';

/** An operation that another server asks for in the name of its user. */
export interface PeerCall {
  readonly user: string;
  readonly name: string;
  readonly parameters: unknown;
}

/** What a keeper does for its guests; the rest is about a server's own drives, rules and schemes. */
const DONE_BY_KEEPER: ReadonlySet<string> = new Set([
  'tape.create',
  'tape.create-range',
  'tape.rename',
  'tape.move',
  'tape.erase',
  'tape.lock',
  'tape.unlock',
  'tape.set-metadata',
  'tape.delete',
  'tape.verify',
  'tape.repair',
  'pool.create',
  'pool.modify',
  'pool.lock',
  'pool.unlock',
  'pool.rename',
  'pool.move',
  'pool.delete',
  'lock.remove',
  'vault.collect',
]);

/** The vault that an operation is to be carried out for by its keeper; undefined where it is done here. */
export async function vaultElsewhere(
  { keeping, ports: { catalog } }: ServerContext,
  { name, entry }: { readonly name: string; readonly entry: Operation },
  parameters: unknown,
): Promise<string | undefined> {
  if (!keeping.hasElsewhere || !DONE_BY_KEEPER.has(name)) return undefined;
  const places: string[] = [];
  for (const subject of subjectsIn(entry.parameters, parameters)) {
    const vault = await vaultOf(catalog, subject);
    if (vault !== undefined) places.push(vault);
  }
  // The first that is there: of a tape to be made, its pool.
  const [first] = places;
  // Of two vaults one is this server's alone: only who keeps the other can move tapes between its own and that.
  const other = places.find(
    (vault) => vault !== first && keeping.isElsewhere(vault) !== keeping.isElsewhere(first ?? ''),
  );
  if (first !== undefined && other !== undefined) {
    keeping.refuseElsewhere(first);
    keeping.refuseElsewhere(other);
  }
  return first !== undefined && keeping.isElsewhere(first) ? first : undefined;
}

async function vaultOf(catalog: Catalog, { kind, name }: Subject): Promise<string | undefined> {
  if (kind === 'vault') return name;
  if (kind === 'tape') return (await catalog.findTape(name))?.vault;
  return (await catalog.listPools()).find((row) => kind === 'pool' && row.name === name)?.vault;
}

/** What lies in the shared vaults that are kept here. */
export function sharedScope({ keeping, ports }: ServerContext): VaultScope {
  return new VaultScope(ports.catalog, new Set(keeping.kept.keys()));
}

/**
 * Carries out what a guest of the vaults in `scope`, which are kept here, asks for; what lies in others is
 * none of its business. Rejects as the operation, NOT_FOUND, and INVALID_ARGUMENT.
 */
export async function operateForPeer(
  operations: Operations,
  scope: VaultScope,
  { user, name, parameters }: PeerCall,
): Promise<unknown> {
  if (!DONE_BY_KEEPER.has(name)) throw refused(name, 'it is none that is done for another server');
  const subjects = operations.subjectsOf(name, parameters);
  if (subjects.length === 0) throw refused(name, 'it is about no pool or tape of a shared vault');
  for (const subject of subjects) {
    if ((await scope.sightOf(subject)) === 'hidden') {
      throw new CapstanError('NOT_FOUND', { ...subject });
    }
  }
  return operations.callAs({ ...localPrincipal(user), program: 'ISC' }, name, parameters);
}

function refused(name: string, reason: string): CapstanError {
  return new CapstanError('INVALID_ARGUMENT', { what: `The operation ${name}`, reason });
}
