/** Decorators of ports: what a port answers only while a process lives, and where it may be crashed. */

/** Called around every method of a decorated port. */
export type Around = (
  method: string,
  call: () => Promise<unknown>,
  parameters: readonly unknown[],
) => Promise<unknown>;

/**
 * `port` with every method called through `around`. Every method of the port must be asynchronous,
 * as those of a catalog, an engine and a tape image are.
 */
export function decorate<Port extends object>(port: Port, around: Around): Port {
  return new Proxy(port, {
    get(target, property) {
      const member: unknown = Reflect.get(target, property);
      if (typeof member !== 'function' || typeof property !== 'string') return member;
      return (...parameters: unknown[]) =>
        around(
          property,
          () => Reflect.apply(member, target, parameters) as Promise<unknown>,
          parameters,
        );
    },
  });
}
