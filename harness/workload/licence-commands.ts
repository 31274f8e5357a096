/** What may happen to a server's licences, and which faults a case has. */
import fc from 'fast-check';
import { MINUTE_MS } from '../../src/base/units.ts';
import { LABORATORY } from '../../src/server/licence-keys.ts';
import { count, duration, flag, formsFor, oneOf } from './command-form.ts';
import type { DrawnCommand } from './command-form.ts';
import { LICENCE_NUMBERS } from './licence-world.ts';
import type { LicenceProfile, LicenceWorld } from './licence-world.ts';

const HOUR_MS = 60 * MINUTE_MS;

export const licenceProfile: fc.Arbitrary<LicenceProfile> = fc.record({
  worldSeed: fc.nat(),
  crashes: fc.boolean(),
  clock: fc.boolean(),
});

const form = formsFor<LicenceWorld>();
const number = oneOf(...LICENCE_NUMBERS, LABORATORY);
const runs = ({ east }: Readonly<LicenceWorld>): boolean => east.running;

const add = form('add({number}{forged})', {
  fields: { number: oneOf(...LICENCE_NUMBERS), forged: flag(', forged') },
  possible: runs,
  perform: (licences, each) => licences.add(each.number, each.forged),
});

const remove = form('remove({number})', {
  fields: { number },
  possible: runs,
  perform: (licences, each) => licences.remove(each.number),
});

const advance = form('advance({time})', {
  fields: { time: duration },
  perform: ({ world }, { time }) => world.advance(time),
});

const setClock = form('setClock({direction} by {time})', {
  fields: { direction: oneOf('forward', 'back'), time: duration },
  possible: ({ profile }) => profile.clock,
  perform: (licences, { direction, time }) =>
    licences.setClock(direction === 'back' ? -time : time),
});

const crash = form('crash()', {
  possible: (licences) => licences.profile.crashes && runs(licences),
  perform: ({ east }) => east.crash('kill'),
});

const crashInside = form('crashInside(catalog operation {after})', {
  fields: { after: count },
  possible: (licences) => licences.profile.crashes && runs(licences),
  perform: ({ east }, { after }) => east.planCrash({ in: 'catalog', count: after, kind: 'kill' }),
});

const restart = form('restart()', {
  possible: (licences) => !runs(licences),
  perform: (licences) => licences.restart(),
});

const numbers = fc.constantFrom(...LICENCE_NUMBERS);
const times = fc.constantFrom(MINUTE_MS, 5 * HOUR_MS, 24 * HOUR_MS, 60 * HOUR_MS);

export const LICENCE_COMMANDS: readonly DrawnCommand<LicenceWorld>[] = [
  add.drawn({ number: numbers, forged: fc.constantFrom(false, false, false, true) }, 4),
  remove.drawn({ number: fc.oneof(numbers, fc.constant(LABORATORY)) }, 3),
  advance.drawn({ time: times }, 3),
  setClock.drawn({ direction: fc.constantFrom('forward', 'back'), time: times }),
  crash.drawn({}),
  crashInside.drawn({ after: fc.nat({ max: 12 }) }),
  restart.drawn({}, 2),
];
