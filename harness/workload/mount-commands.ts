/** What may happen in a scenario of mounts, as fast-check commands. */
import fc from 'fast-check';
import { MINUTE_MS, SECOND_MS } from '../../src/base/units.ts';
import { DEVICE_COUNT, MOUNT_TAPES } from './mount-scenario.ts';
import type { MountProfile, MountScenario } from './mount-scenario.ts';
import { scenarioCommand } from './scenario-command.ts';

export type MountCommand = fc.AsyncCommand<MountScenario, MountScenario>;

/** Most commands of a case. */
const COMMANDS_MAX = 60;
/** Most requests that are open at a time. */
const OPEN_MAX = 6;

export const mountProfile: fc.Arbitrary<MountProfile> = fc.record({
  worldSeed: fc.nat(),
  line: fc.boolean(),
  crashes: fc.boolean(),
  operator: fc.boolean(),
  mountDelayMs: fc.constantFrom(0, 0, 5 * SECOND_MS),
});

const command = scenarioCommand<MountScenario>;

const request = (volume: string, ring: boolean, device: number | undefined): MountCommand =>
  command(
    `request(${volume}, ${ring ? 'ring' : 'no ring'}${device === undefined ? '' : `, $TAPE${device}`})`,
    (scenario) => scenario.in('waiting').length < OPEN_MAX,
    async (scenario) => {
      scenario.request(volume, ring, device);
      await scenario.world.advance(0);
    },
  );

const unload = (): MountCommand =>
  command(
    'unload()',
    (scenario) => scenario.in('mounted').length > 0,
    async (scenario) => {
      const [job] = scenario.in('mounted');
      if (job !== undefined) await scenario.unload(job);
    },
  );

const reject = (which: number): MountCommand =>
  command(
    `reject(${which})`,
    (scenario) => scenario.in('waiting').length > 0,
    async (scenario) => {
      const waiting = scenario.in('waiting');
      const job = waiting[which % waiting.length];
      if (job !== undefined) await scenario.reject(job);
    },
  );

const advance = (durationMs: number): MountCommand =>
  command(
    `advance(${durationMs} ms)`,
    () => true,
    (scenario) => scenario.world.advance(durationMs),
  );

const line = (fault: 'cut' | 'down' | 'stall'): MountCommand =>
  command(
    `line(${fault})`,
    ({ profile }) => profile.line,
    (scenario) => {
      const { wire } = scenario;
      if (fault === 'cut') wire.cut();
      else if (fault === 'down') wire.takeDown();
      else wire.stall();
      scenario.noteTrouble();
    },
  );

/** The line is cut in the middle of what is sent next. */
const cutAfter = (byteCount: number): MountCommand =>
  command(
    `cut(after ${byteCount} bytes)`,
    ({ profile }) => profile.line,
    (scenario) => {
      scenario.wire.ambush('cut', byteCount);
      scenario.noteTrouble();
    },
  );

const heal = (): MountCommand =>
  command(
    'line(heal)',
    ({ wire }) => wire.state !== 'up',
    (scenario) => {
      scenario.wire.heal();
      scenario.noteTrouble();
    },
  );

const crash = (): MountCommand =>
  command(
    'crash()',
    ({ profile, east }) => profile.crashes && east.running,
    ({ east }) => east.crash('kill'),
  );

const crashInside = (count: number): MountCommand =>
  command(
    `crashInside(catalog operation ${count})`,
    ({ profile, east }) => profile.crashes && east.running,
    ({ east }) => east.planCrash({ in: 'catalog', count, kind: 'kill' }),
  );

const restart = (): MountCommand =>
  command(
    'restart()',
    ({ east }) => !east.running,
    (scenario) => scenario.startServer(),
  );

const mountByHand = (tape: string, device: number, ring: boolean): MountCommand =>
  command(
    `mountByHand(${tape}, $TAPE${device}, ${ring ? 'ring' : 'no ring'})`,
    ({ profile, east }) => profile.operator && !profile.crashes && east.running,
    (scenario) => scenario.mountByHand(tape, device, ring),
  );

const unmountByHand = (tape: string): MountCommand =>
  command(
    `unmountByHand(${tape})`,
    ({ profile, east }) => profile.operator && !profile.crashes && east.running,
    (scenario) => scenario.unmountByHand(tape),
  );

/** Another process logs something, which is no business of a tape server. */
const chatter = (text: string): MountCommand =>
  command(
    `chatter(${JSON.stringify(text)})`,
    () => true,
    ({ host }) => host.logText(text),
  );

const tape = fc.constantFrom(...MOUNT_TAPES);
const device = fc.nat({ max: DEVICE_COUNT - 1 });
const anyDevice = fc.option(device, { nil: undefined, freq: 3 });

/** More weight by standing more than once. */
const COMMANDS: readonly fc.Arbitrary<MountCommand>[] = [
  ...Array.from({ length: 4 }, () =>
    fc.tuple(tape, fc.boolean(), anyDevice).map((parameters) => request(...parameters)),
  ),
  ...Array.from({ length: 3 }, () => fc.constant(unload())),
  fc.nat({ max: OPEN_MAX }).map(reject),
  ...Array.from({ length: 3 }, () =>
    fc.constantFrom(500, 2 * SECOND_MS, 10 * SECOND_MS, 3 * MINUTE_MS).map(advance),
  ),
  fc.constantFrom('cut' as const, 'down' as const, 'stall' as const).map(line),
  fc.nat({ max: 300 }).map(cutAfter),
  fc.constant(heal()),
  fc.constant(heal()),
  fc.constant(crash()),
  fc.nat({ max: 12 }).map(crashInside),
  fc.constant(restart()),
  fc.constant(restart()),
  fc.tuple(tape, device, fc.boolean()).map((parameters) => mountByHand(...parameters)),
  tape.map(unmountByHand),
  fc.constantFrom('$ZSVR: 0001 MOUNT LAB001 WITH RING', 'TACL 9>', '').map(chatter),
];

export function mountCommands(): fc.Arbitrary<Iterable<MountCommand>> {
  return fc.commands([...COMMANDS], { maxCommands: COMMANDS_MAX, size: 'max' });
}
