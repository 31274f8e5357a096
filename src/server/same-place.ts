/**
 * Copies onto the very place that they come from, which would be none: within one shared vault, or between
 * a shared vault and another on its file system. They are refused when the rule is made, where that is
 * known then, and else by the target.
 *
 * @source VTS 6.02 Installation Guide, p. 50: source and target must not be the same GFS file system
 */
import { CapstanError, isCapstanError } from '../base/errors.ts';
import type { TapePlace } from '../ports/copy-receiver.ts';
import type { ServerContext } from './context.ts';
import type { PoolPair } from './instant-dr-schemes.ts';

/** Where a vault's tapes lie, for others; undefined where there is nothing to tell. */
export async function placeOf(
  { ports: { catalog, fileSystems } }: ServerContext,
  vault: string,
): Promise<TapePlace | undefined> {
  const row = (await catalog.listVaults()).find(({ name }) => name === vault);
  if (row === undefined) return undefined;
  const usage = await fileSystems?.usage(row.path).catch((error: unknown) => {
    // Then that is not known; what fails is told of by who reads or writes there.
    if (!isCapstanError(error)) throw error;
    return undefined;
  });
  const place = { vault: row.sharedId ?? '', fileSystem: usage?.identity ?? '' };
  return place.vault === '' && place.fileSystem === '' ? undefined : place;
}

/** Why nothing is copied from one place to another; undefined where it can be. */
export function samePlace(
  source: TapePlace | undefined,
  target: TapePlace | undefined,
): string | undefined {
  if (source === undefined || target === undefined) return undefined;
  if (source.vault !== '' && source.vault === target.vault) {
    return 'source and target are the same shared vault: the tape would be copied onto itself';
  }
  const isShared = source.vault !== '' || target.vault !== '';
  if (!isShared || source.fileSystem === '' || source.fileSystem !== target.fileSystem) {
    return undefined;
  }
  return 'source and target lie on the same file system, which a shared vault is on';
}

/** Rejects INVALID_ARGUMENT where a server that shares vaults would copy into the vault that it copies from. */
export async function refuseSamePlace(
  { ports: { catalog } }: ServerContext,
  server: string,
  pairs: readonly PoolPair[],
): Promise<void> {
  if (!(await catalog.listPeers()).some((peer) => peer.server === server)) return;
  const pools = new Map((await catalog.listPools()).map(({ name, vault }) => [name, vault]));
  const shared = (await catalog.listVaults()).filter(({ sharedId }) => sharedId !== undefined);
  for (const { pool, targetPool } of pairs) {
    const vault = pools.get(pool);
    // The pools of a shared vault are the same on all of its servers.
    if (vault === undefined || pools.get(targetPool) !== vault) continue;
    if (!shared.some(({ name }) => name === vault)) continue;
    throw new CapstanError('INVALID_ARGUMENT', {
      what: `Copying pool ${pool} to pool ${targetPool} of ${server}`,
      reason: `both lie in the shared vault ${vault}: its tapes would be copied onto themselves`,
    });
  }
}
