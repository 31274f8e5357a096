/** Bugs in what is told and kept, planted to see that a play with them is not taken for the same. */
import type { Catalog, NewEvent } from '../../src/ports/catalog.ts';
import { EVENT_MESSAGES } from '../../src/server/event-messages.ts';
import type { EventMessage } from '../../src/server/event-messages.ts';
import { decorate } from '../../src/base/decorate.ts';
import type { Sabotage } from '../world/simulated-server.ts';
import type { Mutant } from './mutant.ts';

/** The entries of a message are written as something else. */
const entries = (message: EventMessage, change: (event: NewEvent) => NewEvent): Sabotage => ({
  catalog: (catalog) =>
    decorate(catalog, (called, call, [event]) => {
      const isMeant =
        called === 'appendEvent' && (event as NewEvent).messageId === EVENT_MESSAGES[message].id;
      return isMeant ? catalog.appendEvent(change(event as NewEvent)) : call();
    }),
});

const instead = <Method extends keyof Catalog>(
  method: Method,
  value: Awaited<ReturnType<Catalog[Method]>>,
): Sabotage => ({
  catalog: (catalog) =>
    decorate(catalog, (called, call) =>
      called === method ? Promise.resolve(value as unknown) : call(),
    ),
});

export const TWO_SITES_MUTANTS: readonly Mutant[] = [
  {
    name: 'sender-forgotten',
    what: "a host's command stands in the log under the server's name",
    sabotage: {
      east: entries('POLICY_TAKEN', (event) => ({ ...event, user: 'system', program: '' })),
    },
  },
  {
    name: 'generations-untold',
    what: "the history of the target's tapes is not found",
    sabotage: { west: instead('listGenerations', []) },
  },
  {
    name: 'heard-from-now-on',
    what: 'a new session does not ask for what was logged while there was none',
    sabotage: { east: instead('findEmsPosition', undefined) },
  },
  {
    name: 'eleven-tries',
    what: 'copies are given up after 11 attempts, and entries say so',
    sabotage: { east: { settings: { copyPolicy: { attemptsMax: 11 } } } },
  },
];
