/** `capstan idr …`. */
import { InvalidArgumentError, Option } from 'commander';
import { numberOption } from '../options.ts';
import { RATE, rateOf } from './copy-rate.ts';
import { given, named, nothing } from './operation-command.ts';
import type { CommandGroup, Values } from './operation-command.ts';
import { TARGET_OPTIONS, targetOf } from './target-options.ts';

/** One value more each time that the option is given. */
const more = (value: string, before: unknown): readonly string[] => [
  ...((before as readonly string[] | undefined) ?? []),
  value,
];

const POOL = new Option(
  '--pool <name[=target]>',
  "a pool, and the target's pool where that has another name; may be given again",
).argParser((value, before: unknown) => {
  const [pool, target, rest] = value.split('=');
  if (pool === '' || target === '' || rest !== undefined) {
    throw new InvalidArgumentError('It is POOL or POOL=TARGETPOOL.');
  }
  return more(value, before);
});
const VAULT = new Option(
  '--vault <name>',
  'all pools of a vault, under their own names; may be given again',
).argParser(more);
const SCHEDULE = new Option(
  '--schedule <text>',
  "'daily at 02:00, 14:00', 'weekly on mon, thu at 22:30' or '0 2 * * 1-5'; may be given again",
).argParser(more);
const SETTINGS = [
  POOL,
  VAULT,
  SCHEDULE,
  new Option('--time-zone <name>', "the schedules' time zone, as Europe/Berlin (default: UTC)"),
  RATE,
  new Option(
    '--deletions <what>',
    'what becomes of a copy whose tape is deleted or erased here',
  ).choices(['keep', 'delete']),
  new Option('--grace-days <days>', 'with delete: so long after').argParser(numberOption(0, 3650)),
];

/** The operation's sources, where any was given. */
function sourcesOf(options: Values): Values {
  const pools = ((options['pool'] ?? []) as readonly string[]).map((text) => {
    const [pool, targetPool = pool] = text.split('=');
    return { pool, targetPool };
  });
  const vaults = ((options['vault'] ?? []) as readonly string[]).map((vault) => ({ vault }));
  const sources = [...pools, ...vaults];
  return sources.length === 0 ? {} : { sources };
}

const settingsOf = (options: Values): Values => ({
  ...sourcesOf(options),
  ...given(options, 'timeZone', 'deletions'),
  ...(options['schedule'] !== undefined && { schedules: options['schedule'] }),
  ...(options['graceDays'] !== undefined && { deletionGraceDays: options['graceDays'] }),
  ...rateOf(options),
});

const withPool = (args: readonly string[], options: Values): Values => ({
  ...named(args),
  ...given(options, 'pool'),
});
const ONLY_POOL = new Option('--pool <name>', 'only this pool of the scheme');

export const IDR_COMMANDS: CommandGroup = {
  description: 'Instant DR: schemes that bring pools of another server into step, in batches',
  commands: [
    {
      usage: 'list',
      description: 'all schemes',
      operation: 'idr.list',
      parameters: nothing,
      shows: 'scheme',
      examples: ['capstan idr list'],
    },
    {
      usage: 'show <name>',
      description: 'one scheme',
      operation: 'idr.show',
      parameters: named,
      shows: 'fields',
      examples: ['capstan idr show NIGHTLY'],
    },
    {
      usage: 'create <name>',
      description: 'make a scheme',
      operation: 'idr.create',
      options: [
        ...TARGET_OPTIONS,
        new Option('--role <role>', 'source: this server copies; standby: it is copied to')
          .choices(['source', 'standby'])
          .default('source'),
        ...SETTINGS,
      ],
      parameters: (args, options) => ({
        ...named(args),
        ...given(options, 'role'),
        target: targetOf(options),
        sources: [],
        ...settingsOf(options),
      }),
      shows: 'fields',
      examples: [
        "capstan idr create NIGHTLY --to west --address 10.0.0.2 --host-key SHA256:wM0… \\\n      --pool BACKUP=DR --schedule 'daily at 02:00' --time-zone Europe/Berlin",
      ],
      notes:
        'A scheme whose roles are to be swapped stands on both servers under one name: on the other one with\n--role standby and the pools the other way round (--pool DR=BACKUP).',
    },
    {
      usage: 'change <name>',
      description: 'change a scheme; what is not given stays',
      operation: 'idr.change',
      options: [
        ...SETTINGS,
        new Option('--unscheduled', 'no schedules: runs are only dispatched').conflicts('schedule'),
        new Option('--disable', 'heed the schedules no more').conflicts('enable'),
        new Option('--enable', 'heed the schedules again'),
      ],
      parameters: (args, options) => ({
        ...named(args),
        ...settingsOf(options),
        ...(options['unscheduled'] === true && { schedules: [] }),
        ...(options['disable'] === true && { enabled: false }),
        ...(options['enable'] === true && { enabled: true }),
      }),
      shows: 'fields',
      examples: [
        "capstan idr change NIGHTLY --schedule 'daily at 03:00' --rate 20M",
        'capstan idr change NIGHTLY --disable',
      ],
    },
    {
      usage: 'delete <name>',
      description: 'delete a scheme and the reports of its runs; the target keeps its copies',
      operation: 'idr.delete',
      parameters: named,
      shows: 'fields',
      examples: ['capstan idr delete NIGHTLY'],
    },
    ...runCommands(),
  ],
};

function runCommands(): CommandGroup['commands'] {
  return [
    {
      usage: 'dispatch <name>',
      description: 'start a run of a scheme now',
      operation: 'idr.dispatch',
      options: [ONLY_POOL],
      parameters: withPool,
      shows: 'fields',
      examples: ['capstan idr dispatch NIGHTLY', 'capstan idr dispatch NIGHTLY --pool BACKUP'],
    },
    {
      usage: 'verify <name>',
      description: 'have the target read all its copies and compare digests; no data is sent',
      operation: 'idr.verify',
      options: [ONLY_POOL],
      parameters: withPool,
      shows: 'fields',
      examples: ['capstan idr verify NIGHTLY'],
      notes: '`capstan idr report` tells what it found.',
    },
    {
      usage: 'cancel <name>',
      description: 'end the run of a scheme; what was copied stands',
      operation: 'idr.cancel',
      parameters: named,
      shows: 'fields',
      examples: ['capstan idr cancel NIGHTLY'],
    },
    {
      usage: 'status [name]',
      description: 'how schemes stand: role, next and last run, how far it is',
      operation: 'idr.status',
      parameters: (args) => (args[0] === undefined ? {} : named(args)),
      shows: 'idr-status',
      examples: ['capstan idr status', 'capstan idr status NIGHTLY'],
    },
    {
      usage: 'runs [scheme]',
      description: 'the newest runs',
      operation: 'idr.runs',
      options: [new Option('--limit <count>', 'how many').argParser(numberOption(1, 1000))],
      parameters: (args, options) => ({
        ...(args[0] !== undefined && { scheme: args[0] }),
        ...given(options, 'limit'),
      }),
      shows: 'idr-run',
      examples: ['capstan idr runs', 'capstan idr runs NIGHTLY --limit 100'],
    },
    {
      usage: 'report <run>',
      description: 'what a run did with each tape, and why',
      operation: 'idr.report',
      parameters: (args) => ({ id: Number(args[0]) }),
      shows: 'idr-report',
      examples: ['capstan idr report 17'],
    },
    {
      usage: 'swap <name>',
      description: 'exchange the roles: the target becomes the source, with no tape lost',
      operation: 'idr.swap',
      options: [new Option('--takeover', 'here, where the source is lost: without asking it')],
      parameters: (args, options) => ({
        ...named(args),
        ...(options['takeover'] === true && { takeover: true }),
      }),
      shows: 'fields',
      examples: ['capstan idr swap NIGHTLY', 'capstan idr swap NIGHTLY --takeover'],
      notes:
        'Run it on the source. What only the source changed is copied first; it is refused where both servers\nchanged a tape, and names it. After a takeover run it on the old source once that is back.',
    },
  ];
}
