/** What may happen in a scenario of mounts, and which faults a case has. */
import fc from 'fast-check';
import { MINUTE_MS, SECOND_MS } from '../../src/base/units.ts';
import {
  advanceForm,
  count,
  duration,
  flag,
  formsFor,
  oneOf,
  optional,
  quotedText,
} from './command-form.ts';
import type { DrawnCommand } from './command-form.ts';
import { formatZsvrEvent } from '../../src/ems/zsvr-events.ts';
import { requestEvent } from '../hosts/mount-request.ts';
import { DEVICE_COUNT, MOUNT_TAPES } from './mount-scenario.ts';
import type { MountProfile, MountScenario } from './mount-scenario.ts';

/** Most requests that are open at a time. */
const OPEN_MAX = 6;

export const mountProfile: fc.Arbitrary<MountProfile> = fc.record({
  worldSeed: fc.nat(),
  line: fc.boolean(),
  crashes: fc.boolean(),
  operator: fc.boolean(),
  mountDelayMs: fc.constantFrom(0, 5 * SECOND_MS),
  mediacom: fc.boolean(),
  filtered: fc.boolean(),
  coldLoads: fc.nat({ max: 2 }).map((one) => one === 2),
  restricted: fc.nat({ max: 7 }).map((one) => one === 7),
  disk: fc.nat({ max: 3 }).map((one) => one === 3),
});

/** Who else writes what looks like a request; no request of the host has the number. */
const FOREIGNERS = [String.raw`\SYD.$ZSVR`, String.raw`\LAB.$SPOOF`] as const;
const FOREIGN_NUMBER = 9000;

const form = formsFor<MountScenario>();
const tape = oneOf(...MOUNT_TAPES);
const ring = oneOf('ring', 'no ring');

const isByHand = ({ profile, east }: Readonly<MountScenario>): boolean =>
  profile.operator && !profile.crashes && east.running;

const request = form('request({tape}, {ring}{device})', {
  fields: { tape, ring, device: optional(', $TAPE', count) },
  possible: (scenario) => scenario.in('waiting').length < OPEN_MAX,
  perform: async (scenario, each) => {
    scenario.request(each.tape, each.ring === 'ring', each.device);
    await scenario.world.advance(0);
  },
});

const unload = form('unload()', {
  possible: (scenario) => scenario.in('mounted').length > 0,
  perform: async (scenario) => {
    const [job] = scenario.in('mounted');
    if (job !== undefined) await scenario.unload(job);
  },
});

const reject = form('reject({which})', {
  fields: { which: count },
  possible: (scenario) => scenario.in('waiting').length > 0,
  perform: async (scenario, { which }) => {
    const waiting = scenario.in('waiting');
    const job = waiting[which % waiting.length];
    if (job !== undefined) await scenario.reject(job);
  },
});

const advance = advanceForm<MountScenario>();

const line = form('line({fault})', {
  fields: { fault: oneOf('cut', 'down', 'stall') },
  possible: ({ profile }) => profile.line,
  perform: (scenario, { fault }) => {
    scenario.wire.fail(fault);
    scenario.noteTrouble();
  },
});

/** The line is cut in the middle of what is sent next. */
const cutAfter = form('cut(after {bytes} bytes)', {
  fields: { bytes: count },
  possible: ({ profile }) => profile.line,
  perform: (scenario, { bytes }) => {
    scenario.wire.ambush('cut', bytes);
    scenario.noteTrouble();
  },
});

/** The line stops behind so much of what is sent next, and goes on after a while. */
const stop = form('stop(behind {behind} {unit}, for {time})', {
  fields: { behind: count, unit: oneOf('bytes', 'lines'), time: duration },
  possible: ({ profile }) => profile.line,
  perform: (scenario, { behind, unit, time }) => scenario.stopLine(behind, unit, time),
});

const heal = form('line(heal)', {
  possible: ({ wire }) => wire.state !== 'up',
  perform: (scenario) => {
    scenario.wire.heal();
    scenario.noteTrouble();
  },
});

const crash = form('crash()', {
  possible: ({ profile, east }) => profile.crashes && east.running,
  perform: ({ east }) => east.crash('kill'),
});

const crashInside = form('crashInside(catalog operation {after})', {
  fields: { after: count },
  possible: ({ profile, east }) => profile.crashes && east.running,
  perform: ({ east }, { after }) => east.planCrash({ in: 'catalog', count: after, kind: 'kill' }),
});

/** What the server does in its catalog for a host, step by step. */
const STEPS = [
  'putEmsPosition',
  'putMountRequest',
  'recordMount',
  'acceptMount',
  'recordDismount',
] as const;

/** The server is killed at the next step of that name, whenever that comes. */
const crashAt = form('crashAt({step}{behind})', {
  fields: { step: oneOf(...STEPS), behind: flag(', behind it') },
  possible: ({ profile, east }) => profile.crashes && east.running,
  perform: ({ east }, { step, behind }) =>
    east.planCrash({ in: 'catalog', of: step, count: behind ? 1 : 0, kind: 'kill' }),
});

const restart = form('restart()', {
  possible: ({ east }) => !east.running,
  perform: (scenario) => scenario.startServer(),
});

const mountByHand = form('mountByHand({tape}, $TAPE{device}{ring})', {
  fields: { tape, device: count, ring: flag(', ring') },
  possible: isByHand,
  perform: (scenario, each) => scenario.mountByHand(each.tape, each.device, each.ring),
});

/** As somebody does who has read what waits, and has not read on. */
const answerByHand = form('answerByHand({which}, $TAPE{device}{ring})', {
  fields: { which: count, device: count, ring: flag(', ring') },
  possible: (scenario) => isByHand(scenario) && scenario.in('waiting').length > 0,
  perform: async (scenario, { which, ...each }) => {
    const waiting = scenario.in('waiting');
    const { volume = '' } = waiting[which % waiting.length] ?? {};
    await scenario.mountByHand(volume, each.device, each.ring);
  },
});

const unmountByHand = form('unmountByHand({tape})', {
  fields: { tape },
  possible: isByHand,
  perform: (scenario, each) => scenario.unmountByHand(each.tape),
});

/** Another process logs something, which is no business of a tape server. */
const chatter = form('chatter({text})', {
  fields: { text: quotedText },
  perform: ({ host }, { text }) => host.logText(text),
});

/** A message in the form of a request, of another node's `$ZSVR` or of another process here. */
const foreign = form('foreign({who}, {tape})', {
  fields: { who: oneOf(...FOREIGNERS), tape },
  perform: ({ host }, each) => {
    const [node = '', process = ''] = each.who.split('.');
    const message = requestEvent(FOREIGN_NUMBER, {
      volume: each.tape,
      ring: true,
      labels: 'BACKUP',
      timeoutMs: 0,
    });
    const subsystem = 'TANDEM.ZSVR.H06';
    host.log({ node, process, subsystem, ...formatZsvrEvent(message) });
  },
});

/** Its jobs begin anew, and the first asks under a number that may be known for another request. */
const coldLoad = form('coldLoad(number of {which}, then {tape}, {ring})', {
  fields: { which: count, tape: oneOf('the same', ...MOUNT_TAPES), ring },
  possible: ({ profile }) => profile.coldLoads === true,
  perform: async (scenario, { which, tape: wanted, ring: wantedRing }) => {
    const before = scenario.in('waiting')[which] ?? scenario.jobs.at(-1);
    await scenario.coldLoad(before?.requestNumber ?? 0);
    const volume = wanted === 'the same' ? (before?.volume ?? MOUNT_TAPES[0]) : wanted;
    scenario.request(volume, wantedRing === 'ring', undefined);
    await scenario.world.advance(0);
  },
});

/** A request that ends before the server hears of it: the line is down meanwhile. */
const missed = form('missed({tape}, {ring})', {
  fields: { tape, ring },
  possible: ({ profile, wire }) => profile.line && wire.state === 'up',
  perform: async (scenario, each) => {
    const { wire } = scenario;
    wire.takeDown();
    scenario.request(each.tape, each.ring === 'ring', undefined);
    await scenario.world.advance(0);
    const job = scenario.jobs.at(-1);
    if (job?.state === 'waiting') await scenario.reject(job);
    wire.heal();
    scenario.noteTrouble();
  },
});

/** A request in the middle of which the line stops. */
const slowRequest = form('slowRequest({tape}, {ring}, stops behind {behind} bytes)', {
  fields: { tape, ring, behind: count },
  possible: ({ profile }) => profile.line,
  perform: async (scenario, each) => {
    scenario.stopLine(each.behind, 'bytes', SECOND_MS);
    scenario.request(each.tape, each.ring === 'ring', undefined);
    await scenario.world.advance(2 * SECOND_MS);
  },
});

/** Where numbers are given out again, nobody knows whose request was taken out. */
const mayDrop = (scenario: Readonly<MountScenario>): boolean =>
  isByHand(scenario) && scenario.profile.coldLoads !== true;

const drop = form('drop({which})', {
  fields: { which: count },
  possible: mayDrop,
  perform: (scenario, { which }) => scenario.drop(which),
});

/** An operator takes a request out of the queue, and a job asks for the same tape. */
const passedOver = form('passedOver({tape}, {ring}, then {other})', {
  fields: { tape, ring, other: oneOf('ring', 'no ring') },
  possible: (scenario) => mayDrop(scenario) && scenario.in('waiting').length + 1 < OPEN_MAX,
  perform: async (scenario, each) => {
    scenario.request(each.tape, each.ring === 'ring', undefined);
    await scenario.world.advance(2 * SECOND_MS);
    const requests = await scenario.east.catalog.listMountRequests();
    const which = requests.findLastIndex((row) => row.tape === each.tape);
    if (which >= 0) await scenario.drop(which);
    scenario.request(each.tape, each.other === 'ring', undefined);
    await scenario.world.advance(0);
  },
});

/** The server's operator has the session with the host built anew. */
const restartSession = form('restartSession()', {
  possible: isByHand,
  perform: async (scenario) => {
    await scenario.call('host.restart', {});
    scenario.noteTrouble();
  },
});

/** The host lists its requests, and one of them ends before its list has come. */
const overtaken = form('overtaken({tape}, {ring})', {
  fields: { tape, ring },
  possible: (scenario) =>
    isByHand(scenario) && scenario.profile.mediacom && scenario.in('waiting').length < OPEN_MAX,
  perform: async (scenario, each) => {
    const { host, world } = scenario;
    await scenario.leaveLock(each.tape);
    scenario.request(each.tape, each.ring === 'ring', undefined);
    host.commandDelayMs = 12 * SECOND_MS;
    await scenario.call('host.restart', {});
    scenario.noteTrouble();
    await world.advance(7 * SECOND_MS);
    const job = scenario.jobs.at(-1);
    if (job?.state === 'waiting') await scenario.reject(job);
    await world.advance(7 * SECOND_MS);
    host.commandDelayMs = 0;
  },
});

/** What the host's programs print comes so much later. */
const slowAnswers = form('slowAnswers({time})', {
  fields: { time: duration },
  perform: ({ host }, { time }) => {
    host.commandDelayMs = time;
  },
});

/** The line is cut, and stops in the middle of the next log-on. */
const slowLogOn = form('slowLogOn(stops behind {behind} bytes, for {time})', {
  fields: { behind: count, time: duration },
  possible: ({ profile, wire }) => profile.line && wire.state === 'up',
  perform: (scenario, { behind, time }) => {
    scenario.wire.cut();
    scenario.noteTrouble();
    scenario.stopLine(behind, 'bytes', time);
  },
});

const disk = form('disk({state})', {
  fields: { state: oneOf('unreadable', 'well') },
  possible: ({ profile }) => profile.disk === true,
  perform: ({ east }, { state }) => east.failOpenings(state === 'unreadable'),
});

const leaveLock = form('leaveLock({tape})', {
  fields: { tape },
  possible: isByHand,
  perform: (scenario, each) => scenario.leaveLock(each.tape),
});

/** An operator takes the lock away that the tape is waited for, and a job asks for the tape. */
const unlock = form('unlock({tape}, then {ring})', {
  fields: { tape, ring },
  possible: (scenario) => isByHand(scenario) && scenario.in('waiting').length < OPEN_MAX,
  perform: async (scenario, each) => {
    await scenario.unlock(each.tape);
    scenario.request(each.tape, each.ring === 'ring', undefined);
    await scenario.world.advance(2 * SECOND_MS);
  },
});

const tapes = { tape: fc.constantFrom(...MOUNT_TAPES) };
const anyTape = fc.constantFrom('the same' as const, 'the same' as const, ...MOUNT_TAPES);
const rings = fc.constantFrom('ring' as const, 'no ring' as const);
const device = fc.nat({ max: DEVICE_COUNT - 1 });
const anyDevice = fc.option(device, { nil: undefined, freq: 3 });
const times = fc.constantFrom(500, 2 * SECOND_MS, 10 * SECOND_MS, 3 * MINUTE_MS);

const pauses = fc.constantFrom(SECOND_MS, 3 * SECOND_MS, 12 * SECOND_MS, 3 * MINUTE_MS);

/** With their weights. */
export const MOUNT_COMMANDS: readonly DrawnCommand<MountScenario>[] = [
  request.drawn({ ...tapes, ring: rings, device: anyDevice }, 4),
  unload.drawn({}, 3),
  reject.drawn({ which: fc.nat({ max: OPEN_MAX }) }),
  advance.drawn({ time: times }, 3),
  line.drawn({ fault: fc.constantFrom('cut', 'down', 'stall') }),
  cutAfter.drawn({ bytes: fc.nat({ max: 300 }) }),
  stop.drawn({ behind: fc.nat({ max: 200 }), unit: fc.constant('bytes'), time: pauses }),
  stop.drawn({ behind: fc.nat({ max: 4 }), unit: fc.constant('lines'), time: pauses }),
  heal.drawn({}, 2),
  crash.drawn({}),
  crashInside.drawn({ after: fc.nat({ max: 12 }) }),
  crashAt.drawn({ step: fc.constantFrom(...STEPS), behind: fc.boolean() }),
  crashAt.drawn({ step: fc.constant('putEmsPosition'), behind: fc.constant(true) }),
  restart.drawn({}, 3),
  mountByHand.drawn({ ...tapes, device, ring: fc.boolean() }),
  unmountByHand.drawn(tapes),
  answerByHand.drawn({ which: fc.nat({ max: OPEN_MAX }), device, ring: fc.boolean() }, 2),
  drop.drawn({ which: fc.nat({ max: OPEN_MAX }) }, 2),
  passedOver.drawn({ ...tapes, ring: rings, other: rings }, 3),
  leaveLock.drawn(tapes, 2),
  unlock.drawn({ ...tapes, ring: rings }, 2),
  disk.drawn({ state: fc.constantFrom('unreadable', 'well') }, 2),
  restartSession.drawn({}, 2),
  overtaken.drawn({ ...tapes, ring: rings }),
  slowAnswers.drawn({ time: fc.constantFrom(0, 3 * SECOND_MS, 12 * SECOND_MS) }),
  slowLogOn.drawn({ behind: fc.nat({ max: 300 }), time: pauses }),
  coldLoad.drawn({ which: fc.nat({ max: 3 }), tape: anyTape, ring: rings }, 2),
  missed.drawn({ ...tapes, ring: rings }),
  slowRequest.drawn({ ...tapes, ring: rings, behind: fc.nat({ max: 130 }) }),
  foreign.drawn({ ...tapes, who: fc.constantFrom(...FOREIGNERS) }),
  chatter.drawn({ text: fc.constantFrom('$ZSVR: 0001 MOUNT LAB001 WITH RING', 'TACL 9>', '') }),
];
