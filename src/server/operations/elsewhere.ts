/**
 * Operations on a shared vault that another server keeps: who keeps the vault carries them out, in the name
 * of the user who asked here. Whether that user may is judged here.
 */
import { CapstanError } from '../../base/errors.ts';
import type { Catalog } from '../../ports/catalog.ts';
import { localPrincipal } from '../access.ts';
import type { ServerContext } from '../context.ts';
import type { Operations } from '../operations.ts';
import type { Operation } from './operation.ts';
import { subjectsIn } from './subjects.ts';
import type { Subject } from './subjects.ts';

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

/** Carries out what a guest of a vault kept here asks for. Rejects as the operation, and INVALID_ARGUMENT. */
export function operateForPeer(
  operations: Operations,
  user: string,
  name: string,
  parameters: unknown,
): Promise<unknown> {
  if (!DONE_BY_KEEPER.has(name)) {
    const reason = 'it is none that is done for another server';
    throw new CapstanError('INVALID_ARGUMENT', { what: `The operation ${name}`, reason });
  }
  return operations.callAs({ ...localPrincipal(user), program: 'ISC' }, name, parameters);
}
