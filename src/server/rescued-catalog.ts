/**
 * A catalog whose calls, where they find no room, are made once more with what is held back. A call that
 * rejects has changed nothing, so each can be made again.
 */
import { decorate } from '../base/decorate.ts';
import type { Catalog } from '../ports/catalog.ts';
import type { Ballasts } from './ballasts.ts';

/** As long as `isWanted`, asked at each call. */
export function rescuedCatalog(
  catalog: Catalog,
  ballasts: Pick<Ballasts, 'rescue'>,
  isWanted: () => boolean = () => true,
): Catalog {
  return decorate(catalog, (_, call) => (isWanted() ? ballasts.rescue(call) : call()));
}
