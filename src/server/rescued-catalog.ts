/**
 * A catalog whose calls, where they find no room, are made once more with what is held back. A call that
 * rejects has changed nothing, so each can be made again.
 */
import type { Catalog } from '../ports/catalog.ts';
import type { Ballasts } from './ballasts.ts';

/** As long as `isWanted`, asked at each call. */
export function rescuedCatalog(
  catalog: Catalog,
  ballasts: Pick<Ballasts, 'rescue'>,
  isWanted: () => boolean = () => true,
): Catalog {
  const members = new Map<string | symbol, unknown>();
  return new Proxy(catalog, {
    get: (target, property) => {
      if (members.has(property)) return members.get(property);
      const member: unknown = Reflect.get(target, property);
      if (typeof member !== 'function') return member;
      const wrapped = (...parameters: unknown[]): Promise<unknown> => {
        const call = (): Promise<unknown> =>
          Reflect.apply(member, target, parameters) as Promise<unknown>;
        return isWanted() ? ballasts.rescue(call) : call();
      };
      members.set(property, wrapped);
      return wrapped;
    },
  });
}
