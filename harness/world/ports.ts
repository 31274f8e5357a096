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
  // A port's methods stay what they are, so each is wrapped once.
  const wrapped = new Map<string, (...parameters: unknown[]) => Promise<unknown>>();
  return new Proxy(port, {
    get(target, property) {
      if (typeof property !== 'string') return Reflect.get(target, property);
      const known = wrapped.get(property);
      if (known !== undefined) return known;
      const member: unknown = Reflect.get(target, property);
      if (typeof member !== 'function') return member;
      const method = (...parameters: unknown[]): Promise<unknown> =>
        around(
          property,
          () => Reflect.apply(member, target, parameters) as Promise<unknown>,
          parameters,
        );
      wrapped.set(property, method);
      return method;
    },
  });
}
