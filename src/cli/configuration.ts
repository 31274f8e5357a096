/**
 * A server's home folder and its configuration file.
 *
 *   capstan.json      this configuration
 *   catalog.sqlite    vaults, pools, tapes, queues, event log
 *   control.sock      where the command line reaches the running server
 *   receive.sock      where `capstan receive` hands its connection to it
 *   keys/             host_key, client_key (private, 0600), client_key.pub, authorized_keys
 *   vaults/VAULT00/   the first vault's store
 *   log/              event.log, event.jsonl, debug.log, those put by, and lists of what Scan/Cleanup erased
 *
 * Limits: the file has at most CONFIGURATION_BYTES_MAX bytes; relative paths in it are taken from the
 * home folder. docs/reference/cli.md lists every key.
 */
import { open, stat } from 'node:fs/promises';
import { z } from 'zod';
import { CapstanError } from '../base/errors.ts';
import { NAME_PATTERNS } from '../base/names.ts';
import { MIB } from '../base/units.ts';
import type { HomePaths } from './home.ts';
import { CLEANUP_CONFIGURATION, HSM_CONFIGURATION } from './media-configuration.ts';
import { PROFILE_DEFAULT, PROFILE_NAMES } from '../server/profiles.ts';
import { EmsParameters } from '../ems/parameters.ts';
import { LANE_POLICY } from '../replication/lanes.ts';

/** Largest configuration file that is read, bytes. */
export const CONFIGURATION_BYTES_MAX = MIB;
/** Group and others: nothing. */
const OTHERS_MASK = 0o077;
/** Most tape hosts of a server. */
export const HOST_COUNT_MAX = 64;
/** Where a new server's SSH receiver listens unless `init --listen` says otherwise. */
export const DEFAULT_SSH_PORT = 4022;
/** Where the HTTP API listens unless capstan.json says otherwise. */
export const DEFAULT_API_PORT = 4080;

const endpoint = z.strictObject({
  address: z.string().min(1).max(255),
  port: z.int().min(0).max(65_535),
});

const emsHost = z.strictObject({
  /** The NonStop node: `\LAB`. */
  host: z.string().regex(NAME_PATTERNS.host),
  address: z.string().min(1).max(255),
  port: z.int().min(1).max(65_535),
  user: z.string().min(1).max(64),
  /** File that holds the password, and nothing else; readable by its owner only. */
  passwordFile: z.string().min(1).max(4096),
  /** Vaults whose tapes this host may mount; all where it is missing. */
  vaults: z.array(z.string().regex(NAME_PATTERNS.vault)).optional(),
  /** The collector whose events are printed. */
  collector: z
    .string()
    .regex(/^\$[A-Z0-9]{1,6}$/)
    .optional(),
  /** File of a compiled EMS filter on the host. */
  filter: z.string().min(1).max(36).optional(),
});

const configurationSchema = z.strictObject({
  name: z.string().regex(NAME_PATTERNS.server),
  /** The version of the product whose manuals the server follows. */
  profile: z.enum(PROFILE_NAMES).default(PROFILE_DEFAULT),
  /** Make and model in event-log lines. */
  systemId: z
    .string()
    .regex(/^[\x21-\x7b\x7d\x7e]{1,7}$/)
    .default('CAPSTAN'),
  /** The address that stands in event-log lines. */
  address: z.string().min(1).max(15).default('127.0.0.1'),
  /** Where copies are received; nothing is received where it is missing. */
  listen: endpoint.optional(),
  ems: z.array(emsHost).max(HOST_COUNT_MAX).default([]),
  /** The product's `ems_` parameters by their names; src/ems/parameters.ts knows them. */
  emsParameters: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
  /** OpenSSH public keys of the servers that may copy to this one, a line each. */
  authorizedKeys: z.string().min(1).max(4096).default('keys/authorized_keys'),
  /** The HTTP API on a port; without it only the control socket has it. */
  api: z
    .strictObject({
      listen: endpoint.prefault({ address: '127.0.0.1', port: DEFAULT_API_PORT }),
      /** PEM files; without them it listens on this machine only. */
      certificate: z.string().min(1).max(4096).optional(),
      key: z.string().min(1).max(4096).optional(),
    })
    .optional(),
  autocopy: z
    .strictObject({
      attemptsMax: z.int().min(1).max(1000).default(12),
      retryIntervalSeconds: z.number().min(0.1).max(86_400).default(300),
      stallTimeoutSeconds: z.number().min(1).max(3600).default(60),
      /** Over how many SSH channels a copy goes at most; as many as make it faster. */
      channelsMax: z.int().min(1).max(LANE_POLICY.countMax).default(LANE_POLICY.countMax),
      /** What all copies together send at most; as fast as it goes where it is missing. */
      megabytesPerSecond: z.number().min(0.066).max(1_000_000).optional(),
    })
    .prefault({}),
  store: z.strictObject({ compression: z.enum(['on', 'fast', 'off']).default('on') }).prefault({}),
  cleanup: CLEANUP_CONFIGURATION.prefault({}),
  hsm: HSM_CONFIGURATION.prefault({}),
  /** Log-ons to the HTTP API. */
  access: z
    .strictObject({
      /** Wrong passwords in a row that lock a user out. */
      failuresMax: z.int().min(1).max(100).default(5),
      lockOutMinutes: z.number().min(0.1).max(1440).default(15),
      sessionHours: z.number().min(0.1).max(720).default(12),
      /** Without a request. */
      idleMinutes: z.number().min(0.1).max(43_200).default(30),
    })
    .prefault({}),
  /** The files of the event log. */
  log: z
    .strictObject({
      /** `HH:MM` in the time zone. */
      rotateAt: z
        .string()
        .regex(/^([01]\d|2[0-3]):[0-5]\d$/)
        .default('04:00'),
      /** A name of the IANA's, as Europe/Berlin; the machine's where it is missing. */
      timeZone: z.string().min(1).max(64).optional(),
      keep: z.int().min(1).max(1000).default(30),
      /** The debug log is put by when it is larger. */
      debugMegabytes: z.number().min(0.1).max(10_000).default(16),
      /** Debug logs that were put by. */
      debugKeep: z.int().min(1).max(1000).default(5),
    })
    .prefault({}),
  collect: z
    .strictObject({
      /** What a collection copies at most; as fast as it goes where it is missing. */
      megabytesPerSecond: z.number().min(0.001).max(1_000_000).optional(),
    })
    .prefault({}),
});

/** capstan.json as it is meant, defaults filled in. */
export type Configuration = z.infer<typeof configurationSchema>;
/** capstan.json as it may be written. */
export type ConfigurationFile = z.input<typeof configurationSchema>;

/** A configuration out of what capstan.json holds. INVALID_ARGUMENT names the first key at fault. */
export function parseConfiguration(path: string, value: unknown): Configuration {
  const parsed = configurationSchema.safeParse(value);
  if (parsed.success) {
    // Refuses what is wrong in them.
    emsParametersOf(parsed.data);
    return parsed.data;
  }
  const issue = parsed.error.issues[0];
  const key = issue?.path.join('.') ?? '';
  throw new CapstanError('INVALID_ARGUMENT', {
    what: `The configuration ${path}`,
    reason: `${key === '' ? '' : `"${key}": `}${issue?.message ?? 'it is malformed'}`,
  });
}

/** The `ems_` parameters. Throws INVALID_ARGUMENT. */
export function emsParametersOf({ ems, emsParameters }: Configuration): EmsParameters {
  const doubled = ems.find(
    ({ host, vaults }) =>
      vaults !== undefined && emsParameters[`ems_vaults_${host.slice(1)}`] !== undefined,
  );
  if (doubled !== undefined) {
    throw new CapstanError('INVALID_ARGUMENT', {
      what: `"emsParameters": ems_vaults_${doubled.host.slice(1)}`,
      reason: `"ems" says which vaults ${doubled.host} may mount; keep one of the two`,
    });
  }
  return new EmsParameters(
    emsParameters,
    ems.map(({ host }) => host),
  );
}

/** Rejects NOT_FOUND where the folder is no home, INVALID_ARGUMENT, LIMIT_EXCEEDED, DISK_IO. */
export async function readConfiguration(paths: HomePaths): Promise<Configuration> {
  const path = paths.configuration;
  const text = await readLimited(path, CONFIGURATION_BYTES_MAX);
  if (text === undefined) {
    throw new CapstanError('NOT_FOUND', {
      kind: 'server',
      name: `${path} (\`capstan init\` makes one there; --home and CAPSTAN_HOME name another)`,
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    const reason = `it is no JSON: ${cause.message}`;
    throw new CapstanError(
      'INVALID_ARGUMENT',
      { what: `The configuration ${path}`, reason },
      { cause },
    );
  }
  return parseConfiguration(path, value);
}

/** The text of a file of at most `bytesMax` bytes; undefined where there is none. */
export async function readLimited(path: string, bytesMax: number): Promise<string | undefined> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    if (size > bytesMax) {
      throw new CapstanError('LIMIT_EXCEEDED', {
        what: `The size of ${path}`,
        value: `${size} bytes`,
        limit: `${bytesMax} bytes`,
      });
    }
    return await file.readFile('utf8');
  } catch (error) {
    return diskFault(path, error);
  }
}

/** Undefined for a file that is not there; DISK_IO for what else the system says. */
function diskFault(path: string, error: unknown): undefined {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (error instanceof CapstanError || code === '') throw error;
  if (code === 'ENOENT') return undefined;
  throw new CapstanError('DISK_IO', { place: path, what: code }, { cause: error });
}

/** The text of a file that belongs to a home; NOT_FOUND names it. */
export async function readHomeFile(path: string): Promise<string> {
  const text = await readLimited(path, CONFIGURATION_BYTES_MAX);
  if (text !== undefined) return text;
  throw new CapstanError('NOT_FOUND', { kind: 'file', name: path });
}

/** The text of a file that nobody else may read; `kind`: what it is. Rejects NOT_FOUND, INVALID_ARGUMENT. */
export async function readSecretFile(kind: string, path: string): Promise<string> {
  const text = await readHomeFile(path);
  if (((await stat(path)).mode & OTHERS_MASK) !== 0) {
    const reason = `others may read it; \`chmod 600 ${path}\` first`;
    throw new CapstanError('INVALID_ARGUMENT', { what: `The ${kind} file ${path}`, reason });
  }
  return text;
}

/** Lines that are neither empty nor comments. */
export async function readKeyLines(path: string): Promise<readonly string[]> {
  const text = (await readLimited(path, CONFIGURATION_BYTES_MAX)) ?? '';
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}
