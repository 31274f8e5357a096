/** Something around each call of a port: a rescue, a record, a crash. */

/** Called around every method of a decorated port. */
export type Around = (
  method: string,
  call: () => Promise<unknown>,
  parameters: readonly unknown[],
) => Promise<unknown>;

type Method = (...parameters: unknown[]) => Promise<unknown>;

/**
 * `port` with every method called through `around`. Every method of the port must be asynchronous,
 * as those of a catalog, an engine and a tape image are.
 */
export function decorate<Port extends object>(port: Port, around: Around): Port {
  // Wrapped once each; what is called is looked up anew, for a test may put another method in its place.
  const wrapped = new Map<string, Method>();
  return new Proxy(port, {
    get(target, property) {
      if (typeof property !== 'string') return Reflect.get(target, property);
      const known = wrapped.get(property);
      if (known !== undefined) return known;
      const member: unknown = Reflect.get(target, property);
      if (typeof member !== 'function') return member;
      const method: Method = (...parameters) =>
        around(
          property,
          () => Reflect.apply(Reflect.get(target, property) as Method, target, parameters),
          parameters,
        );
      wrapped.set(property, method);
      return method;
    },
  });
}
