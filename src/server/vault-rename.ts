/** Renames a vault: its folder stays where it is, and so does all that lies in it. */
import { CapstanError } from '../base/errors.ts';
import { checkName } from '../base/names.ts';
import type { VaultRow } from '../ports/catalog.ts';
import type { ServerContext } from './context.ts';
import type { TapeServices } from './tapes.ts';

/**
 * Pools, tapes, users' vault access and entries of the event log follow. Rejects NOT_FOUND, ALREADY_EXISTS,
 * NAME_INVALID; IN_USE while one of its tapes is mounted, copied or locked by a process, and where a scheme of
 * Instant DR names the vault; INVALID_ARGUMENT where other servers know it by its name, or the configuration
 * lets a host mount from it and not yet from the new name.
 */
export async function renameVault(
  services: TapeServices,
  { name, newName }: { readonly name: string; readonly newName: string },
): Promise<VaultRow> {
  const { context, vaults } = services;
  checkName('vault', name);
  checkName('vault', newName);
  const row = await context.decisions.run(async () => {
    const { catalog } = context.ports;
    const vault = (await catalog.listVaults()).find((each) => each.name === name);
    if (vault === undefined) throw new CapstanError('NOT_FOUND', { kind: 'vault', name });
    const by = await inTheWay(services, name);
    if (by !== undefined) throw new CapstanError('IN_USE', { kind: 'vault', name, by });
    refuseNamed(context, vault, newName);
    const renamed = await catalog.renameVault(name, newName);
    vaults.rename(name, newName);
    return renamed;
  });
  await context.eventLog.log('VAULT_RENAMED', { oldName: name, vault: newName });
  return row;
}

/** What works with the vault under its name just now, or is to. */
async function inTheWay(
  { context, busyTapes, copies }: TapeServices,
  name: string,
): Promise<string | undefined> {
  const { catalog } = context.ports;
  const tapes = (await catalog.listTapes()).filter(({ vault }) => vault === name);
  const busy = tapes.find((tape) => busyTapes.has(tape.name));
  if (busy !== undefined) return `tape ${busy.name} is mounted`;
  const copied = tapes.find((tape) => copies.all.some((flight) => flight.tape === tape.name));
  if (copied !== undefined) return `tape ${copied.name} is being copied`;
  const lock = (await catalog.listLocks()).find((each) =>
    tapes.some((tape) => tape.name === each.tape || tape.pool === each.pool),
  );
  if (lock !== undefined) return `${lock.process} has locked ${lock.tape ?? lock.pool}`;
  const scheme = (await catalog.listIdrSchemes()).find(({ sources }) =>
    sources.some((source) => 'vault' in source && source.vault === name),
  );
  return scheme && `the Instant DR scheme ${scheme.name} names it; change that first`;
}

function refuseNamed({ settings }: ServerContext, vault: VaultRow, newName: string): void {
  const refuse = (reason: string): CapstanError =>
    new CapstanError('INVALID_ARGUMENT', { what: `Another name for vault ${vault.name}`, reason });
  if (vault.sharedId !== undefined) throw refuse('the servers that share it know it by this one');
  const host = settings.hosts.find(
    ({ parameters }) =>
      parameters?.vaults?.includes(vault.name) === true && !parameters.vaults.includes(newName),
  );
  if (host === undefined) return;
  const key = `ems_vaults_${host.host.slice(1)}`;
  throw refuse(
    `${key} of capstan.json names it; add ${newName} there and restart the server first`,
  );
}
