/** A command out of its text, as a shrunk failure prints it: `write(0, 3 x 500, seed 1)`. */
import { CapstanError } from '../../src/base/errors.ts';
import { MINUTE_MS } from '../../src/base/units.ts';
import {
  advance,
  ambush,
  append,
  backupJob,
  crash,
  crashInside,
  dismount,
  healNetwork,
  lateCopy,
  mount,
  networkFault,
  restart,
  slowDisk,
  write,
} from './commands.ts';
import type { ScenarioCommand, ServerName } from './commands.ts';

type Groups = Readonly<Record<string, string | undefined>>;

const number = (text: string | undefined): number => Number(text ?? 0);
const server = (text: string | undefined): ServerName => (text === 'west' ? 'west' : 'east');
const shapeOf = ({ count, bytes, seed }: Groups): Parameters<typeof write>[1] => ({
  blockCount: number(count),
  blockBytes: number(bytes),
  seed: number(seed),
});

const SHAPE = String.raw`(?<count>\d+) x (?<bytes>\d+), seed (?<seed>\d+)`;
const NAME = '(?<name>east|west)';
const POWER_CUT = '(?<powerCut>, power cut)?';

const FORMS: readonly (readonly [string, (groups: Groups) => ScenarioCommand])[] = [
  [
    String.raw`mount\((?<tape>\d), (?<ring>ring|no ring)\)`,
    ({ tape, ring }) => mount(number(tape), ring === 'ring'),
  ],
  [
    String.raw`backup\((?<tape>\d), ${SHAPE}\)`,
    (each) => backupJob(number(each['tape']), shapeOf(each)),
  ],
  [
    String.raw`write\((?<tape>\d), ${SHAPE}\)`,
    (each) => write(number(each['tape']), shapeOf(each)),
  ],
  [
    String.raw`append\((?<tape>\d), ${SHAPE}(?<sync>, sync)?\)`,
    (each) => append(number(each['tape']), shapeOf(each), each['sync'] !== undefined),
  ],
  [String.raw`dismount\((?<tape>\d)\)`, ({ tape }) => dismount(number(tape))],
  [String.raw`advance\((?<ms>\d+) ms\)`, ({ ms }) => advance(number(ms))],
  [String.raw`advance\((?<min>\d+) min\)`, ({ min }) => advance(number(min) * MINUTE_MS)],
  [String.raw`network\(heal\)`, () => healNetwork()],
  [
    String.raw`network\((?<kind>down|cut|stall)\)`,
    ({ kind }) => networkFault(kind === 'down' || kind === 'cut' ? kind : 'stall'),
  ],
  [
    String.raw`(?<kind>corrupt|cut)\(after (?<bytes>\d+) bytes\)`,
    ({ kind, bytes }) => ambush(kind === 'cut' ? 'cut' : 'corrupt', number(bytes)),
  ],
  [
    String.raw`crash\(${NAME}${POWER_CUT}\)`,
    ({ name, powerCut }) => crash(server(name), powerCut !== undefined),
  ],
  [
    String.raw`crashInside\(${NAME}, (?<in>disk|catalog) operation (?<count>\d+)${POWER_CUT}\)`,
    ({ name, in: place, count, powerCut }) =>
      crashInside(server(name), {
        in: place === 'disk' ? 'disk' : 'catalog',
        count: number(count),
        kind: powerCut === undefined ? 'kill' : 'power-cut',
      }),
  ],
  [
    String.raw`slowDisk\(${NAME}, (?<ms>\d+) ms\)`,
    ({ name, ms }) => slowDisk(server(name), number(ms)),
  ],
  [String.raw`lateCopy\((?<tape>\d)\)`, ({ tape }) => lateCopy(number(tape))],
  [String.raw`restart\(${NAME}\)`, ({ name }) => restart(server(name))],
];

/** The command; throws INVALID_ARGUMENT where the text is none. */
export function parseCommand(text: string): ScenarioCommand {
  for (const [source, make] of FORMS) {
    const match = new RegExp(`^${source}$`).exec(text);
    if (match !== null) return make(match.groups ?? {});
  }
  throw new CapstanError('INVALID_ARGUMENT', {
    what: `The command ${text}`,
    reason: 'no such form',
  });
}
