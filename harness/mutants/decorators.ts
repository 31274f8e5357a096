/** Makes planted bugs: a catalog or an engine one of whose methods is asked, or answers, something else. */
import type { Catalog } from '../../src/ports/catalog.ts';
import type { Engine } from '../../src/ports/engine.ts';
import { decorate } from '../../src/base/decorate.ts';

type Decorator<Port> = (port: Port) => Port;

/** One of its methods is given other parameters. */
export const asking =
  (
    name: keyof Catalog,
    change: (parameters: readonly unknown[]) => readonly unknown[],
  ): Decorator<Catalog> =>
  (catalog) =>
    decorate(catalog, async (method, call, parameters) => {
      if (method !== name) return call();
      const member = catalog[name] as (...each: readonly unknown[]) => Promise<unknown>;
      return member.apply(catalog, [...change(parameters)]);
    });

/** One of its methods answers something else. */
export const answering =
  (name: keyof Catalog, change: (value: unknown) => unknown): Decorator<Catalog> =>
  (catalog) =>
    decorate(catalog, async (method, call) => {
      const value = await call();
      return method === name ? change(value) : value;
    });

/** One of the engine's methods does something else; `count` calls of it came before, since it was opened. */
export const engineDoing =
  (
    name: keyof Engine,
    instead: (call: () => Promise<unknown>, count: number) => Promise<unknown>,
  ): Decorator<Engine> =>
  (engine) => {
    let count = 0;
    return decorate(engine, async (method, call) => {
      if (method !== name) return call();
      count += 1;
      return instead(call, count - 1);
    });
  };
