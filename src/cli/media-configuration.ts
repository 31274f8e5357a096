/**
 * The parts `cleanup` and `hsm` of capstan.json, and what a server makes of them.
 *
 * The manuals name `cleanup_enable`, `cleanup_autoerase`, `cleanup_scan_at` and `cleanup_interval`; of the
 * `hsm_` parameters they name nothing. All other names and all defaults are ours.
 */
import { z } from 'zod';
import { BMA_VERBS } from '../ems/vtspolicy.ts';
import type { BmaVerb } from '../ems/vtspolicy.ts';
import { SECOND_MS } from '../base/units.ts';
import { HSM_PLACES, unknownPlaces } from '../server/bma.ts';
import type { HsmSettings } from '../server/bma.ts';
import { CLEANUP_DEFAULTS } from '../server/scan-cleanup.ts';
import type { CleanupSettings } from '../server/scan-cleanup.ts';

const MEGABYTE_BYTES = 1_000_000;
const ARGUMENTS_MAX = 64;
const ARGUMENT_CHARS_MAX = 4096;
const KEYWORDS_MAX = 32;
const YEAR_HOURS = 8760;
const DAY_SECONDS = 86_400;
const WEEK_SECONDS = 7 * DAY_SECONDS;

export const CLEANUP_CONFIGURATION = z.strictObject({
  /** `cleanup_enable` */
  enable: z.boolean().default(CLEANUP_DEFAULTS.enable),
  /** `cleanup_autoerase` */
  autoerase: z.boolean().default(CLEANUP_DEFAULTS.autoerase),
  /** `cleanup_scan_at` */
  scanAt: z
    .string()
    .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'it is no time of day like 02:00')
    .default(CLEANUP_DEFAULTS.scanAt),
  /** `cleanup_interval` */
  intervalHours: z.int().min(1).max(YEAR_HOURS).default(CLEANUP_DEFAULTS.intervalHours),
  timeZone: z.string().min(1).max(64).default(CLEANUP_DEFAULTS.timeZone),
  minSizeMegabytes: z.number().min(0).max(1e9).default(0),
  usagePercentMax: z.number().min(1).max(100).optional(),
});

const program = z
  .strictObject({
    command: z.array(z.string().min(1).max(ARGUMENT_CHARS_MAX)).min(1).max(ARGUMENTS_MAX),
    keywords: z
      .array(z.string().regex(/^[A-Za-z][A-Za-z0-9]{0,31}$/))
      .max(KEYWORDS_MAX)
      .default([]),
    timeoutSeconds: z.number().min(1).max(WEEK_SECONDS).default(DAY_SECONDS),
  })
  .superRefine(({ command, keywords }, context) => {
    const refuse = (message: string): void => {
      context.addIssue({ code: 'custom', path: ['command'], message });
    };
    if (command[0]?.startsWith('/') !== true || command[0].includes('{')) {
      refuse('a command line begins with the absolute path of a program');
    }
    const unknown = unknownPlaces(command, keywords)[0];
    if (unknown !== undefined) {
      refuse(`nothing fills in {${unknown}}: there are ${HSM_PLACES.join(', ')} and the keywords`);
    }
  });

const programs = z
  .partialRecord(z.enum(Object.keys(BMA_VERBS) as [BmaVerb, ...BmaVerb[]]), program)
  .default({});

export const HSM_CONFIGURATION = z.strictObject({
  enable: z.boolean().default(false),
  /** By the verb of VTSPolicy. */
  backup: programs,
  /** Likewise; each has a place for the store that the content comes back in. */
  restore: programs.refine(
    (each) => Object.values(each).every(({ command }) => command.join(' ').includes('{store}')),
    'a command that restores has the place {store}',
  ),
});

export function cleanupSettings(part: z.infer<typeof CLEANUP_CONFIGURATION>): CleanupSettings {
  const { minSizeMegabytes, usagePercentMax, ...same } = part;
  return { ...same, minSizeBytes: minSizeMegabytes * MEGABYTE_BYTES, usagePercentMax };
}

export function hsmSettings(part: z.infer<typeof HSM_CONFIGURATION>): HsmSettings {
  const settingsOf = (of: z.infer<typeof programs>): HsmSettings['backup'] =>
    Object.fromEntries(
      Object.entries(of).map(([verb, { timeoutSeconds, ...same }]) => [
        verb,
        { ...same, timeoutMs: timeoutSeconds * SECOND_MS },
      ]),
    ) as HsmSettings['backup'];
  return {
    enable: part.enable,
    backup: settingsOf(part.backup),
    restore: settingsOf(part.restore),
  };
}
