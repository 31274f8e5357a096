/** What an operator does with shared vaults: shares one, joins one that another server shares, leaves it. */
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { checkName } from '../base/names.ts';
import { toHex } from '../base/encodings.ts';
import type { VaultRow } from '../ports/catalog.ts';
import type { ServerContext } from './context.ts';
import { checkLocks } from './shared-locks.ts';
import { SharedLedger } from './shared-ledger.ts';
import type { SharedVaults } from './shared-vaults.ts';
import type { TapeServices } from './tapes.ts';

/** Bytes of a shared vault's identity. */
const IDENTITY_BYTES = 16;

type SharingServices = TapeServices & { readonly shared: SharedVaults };
type Named = { readonly name: string };

async function vaultOf(context: ServerContext, name: string): Promise<VaultRow> {
  checkName('vault', name);
  const row = (await context.ports.catalog.listVaults()).find((each) => each.name === name);
  if (row === undefined) throw new CapstanError('NOT_FOUND', { kind: 'vault', name });
  return row;
}

/** A vault, and what is to be told of the locks on its file system. */
type SharedVault = VaultRow & { readonly warning?: string };

const told = (row: VaultRow, warning: string | undefined): SharedVault => ({
  ...row,
  ...(warning !== undefined && { warning }),
});

const refuse = (name: string, reason: string): CapstanError =>
  new CapstanError('INVALID_ARGUMENT', { what: `Vault ${name}`, reason });

/** Rejects NOT_FOUND, IN_USE where a tape of it is mounted, INVALID_ARGUMENT where it is shared. */
export async function shareVault(
  { context, vaults, busyTapes, shared }: SharingServices,
  { name }: Named,
): Promise<SharedVault> {
  const { keeping, ports, eventLog } = context;
  const id = toHex(ports.random.bytes(IDENTITY_BYTES));
  const warning = await checkLocks(context, await vaultOf(context, name));
  await context.decisions.run(async () => {
    const row = await vaultOf(context, name);
    if (row.sharedId !== undefined) throw refuse(name, 'it is shared already');
    const engine = vaults.engine(name);
    await refuseBusyVault(context, busyTapes, name);
    await keeping.share(row, id, engine);
  });
  await eventLog.log('VAULT_SHARED', { vault: name, id });
  shared.announce();
  return told(await vaultOf(context, name), warning);
}

async function refuseBusyVault(
  context: ServerContext,
  busyTapes: ReadonlySet<string>,
  name: string,
): Promise<void> {
  const tapes = (await context.ports.catalog.listTapes()).filter(({ vault }) => vault === name);
  const busy = tapes.find((tape) => busyTapes.has(tape.name));
  if (busy === undefined) return;
  throw new CapstanError('IN_USE', { kind: 'vault', name, by: `tape ${busy.name} is mounted` });
}

/**
 * Makes a vault that another server shares this server's, too. Rejects ALREADY_EXISTS, DISK_IO, and
 * INVALID_ARGUMENT where the folder holds no shared vault of that name; VAULT_ELSEWHERE where a server keeps
 * it that is none of those known here.
 */
export async function joinVault(
  { context, vaults, shared }: SharingServices,
  { name, path }: Named & { readonly path: string },
): Promise<SharedVault> {
  checkName('vault', name);
  const { catalog, clock } = context.ports;
  const row = { name, path, createdAtMs: clock.nowMs() };
  await vaults.refuseNested(name, path);
  const existing = (await catalog.listVaults()).find((each) => each.name === name);
  if (existing !== undefined) {
    throw new CapstanError('ALREADY_EXISTS', {
      kind: 'vault',
      name,
      where: ` at ${existing.path}`,
    });
  }
  const warning = await checkLocks(context, row);
  const sharedId = await identityOf(context, shared, row);
  await catalog.createVault({ ...row, sharedId });
  context.keeping.setElsewhere(name, undefined);
  await context.eventLog.log('VAULT_JOINED', { vault: name, path });
  await shared.look();
  return told(await vaultOf(context, name), warning);
}

async function identityOf(
  context: ServerContext,
  shared: SharedVaults,
  row: VaultRow,
): Promise<string> {
  const { name, path } = row;
  const keeper = shared.keeperOf(name);
  let found: string;
  try {
    found = await identityIn(context, row);
  } catch (error) {
    if (isCapstanError(error, 'NOT_FOUND')) {
      throw refuse(name, `there is no shared vault in ${path}: \`capstan vault share\` shares one`);
    }
    if (!isCapstanError(error, 'STORE_LOCKED')) throw error;
    if (keeper !== undefined) return keeper.id;
    const who = 'a server that is not connected (`capstan isc add` makes it known)';
    throw new CapstanError('VAULT_ELSEWHERE', { vault: name, keeper: who }, { cause: error });
  }
  if (keeper === undefined || keeper.id === found) return found;
  throw refuse(name, `what lies in ${path} is another vault than that of ${keeper.server}`);
}

/** Of a vault that nobody keeps. */
async function identityIn(context: ServerContext, row: VaultRow): Promise<string> {
  const engine = await context.ports.openEngine(row, 'write');
  try {
    const ledger = await SharedLedger.open(engine);
    await ledger.close();
    if (ledger.name === row.name) return ledger.id;
    throw refuse(row.name, `what lies in ${row.path} is the shared vault ${ledger.name}`);
  } finally {
    await engine.close();
  }
}

/**
 * Takes a shared vault out of this server; what is in it stays with the others. Rejects NOT_FOUND, IN_USE
 * where one of its tapes is mounted here or through this server, INVALID_ARGUMENT where it is not shared.
 */
export async function leaveVault(
  { context, vaults, busyTapes, shared }: SharingServices,
  { name }: Named,
): Promise<VaultRow> {
  const row = await context.decisions.run(async () => {
    const { catalog } = context.ports;
    const vault = await vaultOf(context, name);
    if (vault.sharedId === undefined) {
      throw refuse(name, 'it is not shared: `capstan vault delete` takes it out');
    }
    await refuseBusyVault(context, busyTapes, name);
    const own = (rows: readonly (Named & { readonly vault: string })[]): string[] =>
      rows.filter((each) => each.vault === name).map((each) => each.name);
    shared.leave(name);
    await vaults.release(name);
    await catalog.applyVaultChanges(name, {
      pools: [],
      tapes: [],
      generations: [],
      goneTapes: own(await catalog.listTapes()),
      gonePools: own(await catalog.listPools()),
    });
    await catalog.deleteVault(name);
    return vault;
  });
  await context.eventLog.log('VAULT_LEFT', { vault: name });
  shared.announce();
  return row;
}
