/** A catalog with something around each of its calls. */
import type { Catalog } from '../ports/catalog.ts';

/** `around` gets a call's name, and what makes it. */
export function aroundCalls(
  catalog: Catalog,
  around: (name: string, call: () => Promise<unknown>) => Promise<unknown>,
): Catalog {
  const members = new Map<string | symbol, unknown>();
  return new Proxy(catalog, {
    get: (target, property) => {
      if (members.has(property)) return members.get(property);
      const member: unknown = Reflect.get(target, property);
      if (typeof member !== 'function') return member;
      const wrapped = (...parameters: unknown[]): Promise<unknown> =>
        around(
          String(property),
          () => Reflect.apply(member, target, parameters) as Promise<unknown>,
        );
      members.set(property, wrapped);
      return wrapped;
    },
  });
}
