/**
 * The product's `ems_` parameters: their names, defaults, and what they mean for each host.
 *
 * A parameter with a suffix is meant for one host: `ems_response_timeout_LAB` for `\LAB`; without one,
 * or with `_ANYSYS`, for every host that has none of its own. Values are texts as the product's
 * configuration file quotes them (`ems_enable='YES'`), or numbers.
 *
 * @source VTS 6.04.01 Operations and Administration Guide, p. 49 to 52; 6.03.42, p. 54.
 */
import { CapstanError } from '../base/errors.ts';
import { NAME_PATTERNS } from '../base/names.ts';
import { SECOND_MS } from '../base/units.ts';

/** Longest delay or time-out, seconds. */
export const EMS_SECONDS_MAX = 86_400;
/** Most words of a list. */
const LIST_WORDS_MAX = 64;
const VALUE_CHARS_MAX = 4096;
/** The suffix of a parameter for every host. */
const ANY_SYSTEM = 'ANYSYS';

interface ParameterEntry {
  readonly form: 'yes-no' | 'seconds' | 'hosts' | 'vaults' | 'servers' | 'devices';
  /** Whose name may be behind it: nobody's, one host's or ANYSYS, one host's only. */
  readonly suffix: 'none' | 'host-or-any' | 'host';
  readonly default: string;
  /** 'manual' where the manual gives the default. */
  readonly defaultFrom: 'manual' | 'ours';
  readonly meaning: string;
}

/** Every parameter by its name, without a suffix. docs/reference/ems.md prints this table; a test compares. */
export const EMS_PARAMETERS = {
  ems_enable: {
    form: 'yes-no',
    suffix: 'none',
    default: 'YES',
    defaultFrom: 'ours',
    meaning: 'whether hosts are listened to at all',
  },
  ems_hostnames: {
    form: 'hosts',
    suffix: 'none',
    default: '',
    defaultFrom: 'ours',
    meaning: 'the hosts that are listened to, blanks between them; all of `ems` where it is empty',
  },
  ems_keep_alive: {
    form: 'seconds',
    suffix: 'none',
    default: '30',
    defaultFrom: 'ours',
    meaning: 'silence after which the host is asked for a sign of life; 0 never asks',
  },
  ems_notify_wait_timeout: {
    form: 'seconds',
    suffix: 'host-or-any',
    default: '20',
    defaultFrom: 'manual',
    meaning: 'how long the host may take to process a command',
  },
  ems_notify_logout_timeout: {
    form: 'seconds',
    suffix: 'host-or-any',
    default: '3',
    defaultFrom: 'manual',
    meaning: 'from the LOGOFF of a command session to the closing of its connection',
  },
  ems_response_timeout: {
    form: 'seconds',
    suffix: 'host-or-any',
    default: '5',
    defaultFrom: 'manual',
    meaning: 'how long the connection, and each answer of the log-on, may take',
  },
  ems_vaults: {
    form: 'vaults',
    suffix: 'host',
    default: '',
    defaultFrom: 'manual',
    meaning: 'the vaults whose tapes the host may mount; all where it is empty',
  },
  ems_mount_delay: {
    form: 'seconds',
    suffix: 'none',
    default: '0',
    defaultFrom: 'ours',
    meaning: 'from the receipt of a mount request to the mount, the tape being locked meanwhile',
  },
  ems_InterSystemCommunication_hosts: {
    form: 'servers',
    suffix: 'none',
    default: '',
    defaultFrom: 'manual',
    meaning: 'the servers that share a vault with this one and hear of its mounts',
  },
  ems_mount_reset: {
    form: 'yes-no',
    suffix: 'none',
    default: 'NO',
    defaultFrom: 'ours',
    meaning: 'whether the tape devices of `ems_resetdevs_` are reset before each mount',
  },
  ems_resetdevs: {
    form: 'devices',
    suffix: 'host-or-any',
    default: '',
    defaultFrom: 'ours',
    meaning:
      "the host's tape devices that are reset; `ALL` is the device of the mount, whichever it is",
  },
} as const satisfies Record<string, ParameterEntry>;

type ParameterName = keyof typeof EMS_PARAMETERS;

/** What the parameters come to for one host. */
export interface EmsHostParameters {
  readonly enabled: boolean;
  /** 0: never asked. */
  readonly keepAliveMs: number;
  readonly notifyWaitTimeoutMs: number;
  readonly notifyLogoutTimeoutMs: number;
  readonly responseTimeoutMs: number;
  /** Undefined for all. */
  readonly vaults: readonly string[] | undefined;
  readonly mountDelayMs: number;
  /** Devices that are reset before a mount; none where `ems_mount_reset` is off. */
  readonly resetDevices: readonly string[] | 'ALL';
}

export type EmsParameterValues = Readonly<Record<string, string | number | boolean>>;

/** The parameters of a server, and of each of its hosts. */
export class EmsParameters {
  readonly #values: EmsParameterValues;

  /**
   * Throws INVALID_ARGUMENT for a name that there is none of, a suffix of an unknown host, a value of
   * the wrong form. `hosts` are nodes: `\LAB`.
   */
  constructor(values: EmsParameterValues, hosts: readonly string[]) {
    const names = new Set(hosts.map(nodeName));
    this.#values = values;
    for (const [key, value] of Object.entries(values)) {
      const { name, suffix } = splitKey(key);
      const row: ParameterEntry = EMS_PARAMETERS[name];
      if (suffix === undefined && row.suffix === 'host') {
        refuse(key, "it needs a host's name behind it, as in ems_vaults_LAB");
      }
      if (suffix !== undefined && row.suffix === 'none') refuse(key, 'it is for all hosts alike');
      if (suffix === ANY_SYSTEM && row.suffix === 'host') refuse(key, 'ANYSYS is not valid here');
      if (suffix !== undefined && suffix !== ANY_SYSTEM && !names.has(suffix)) {
        refuse(key, `no host is named \\${suffix}`);
      }
      checkValue(key, row, value);
    }
    for (const host of this.#list('ems_hostnames').map(nodeName)) {
      if (!names.has(host)) refuse('ems_hostnames', `no host is named \\${host}`);
    }
  }

  /** The servers of `ems_InterSystemCommunication_hosts`. */
  get interSystemServers(): readonly string[] {
    return this.#list('ems_InterSystemCommunication_hosts');
  }

  /** `host` is a node: `\LAB`. */
  of(host: string): EmsHostParameters {
    const listened = this.#list('ems_hostnames').map(nodeName);
    const vaults = this.#list('ems_vaults', host);
    const devices = this.#list('ems_resetdevs', host);
    const milliseconds = (name: ParameterName): number => this.#seconds(name, host) * SECOND_MS;
    return {
      enabled:
        this.#flag('ems_enable') && (listened.length === 0 || listened.includes(nodeName(host))),
      keepAliveMs: milliseconds('ems_keep_alive'),
      notifyWaitTimeoutMs: milliseconds('ems_notify_wait_timeout'),
      notifyLogoutTimeoutMs: milliseconds('ems_notify_logout_timeout'),
      responseTimeoutMs: milliseconds('ems_response_timeout'),
      vaults: vaults.length === 0 ? undefined : vaults,
      mountDelayMs: milliseconds('ems_mount_delay'),
      resetDevices: this.#flag('ems_mount_reset') ? (devices[0] === 'ALL' ? 'ALL' : devices) : [],
    };
  }

  #text(name: ParameterName, host?: string): string {
    const own = host === undefined ? undefined : this.#values[`${name}_${nodeName(host)}`];
    const value = own ?? this.#values[`${name}_${ANY_SYSTEM}`] ?? this.#values[name];
    return valueText(value ?? EMS_PARAMETERS[name].default);
  }

  #list(name: ParameterName, host?: string): readonly string[] {
    return words(this.#text(name, host));
  }

  #flag(name: ParameterName): boolean {
    return this.#text(name) === 'YES';
  }

  #seconds(name: ParameterName, host: string): number {
    return Number(this.#text(name, host));
  }
}

/** What holds where nobody says anything. */
export const DEFAULT_EMS_HOST_PARAMETERS: EmsHostParameters = new EmsParameters({}, []).of('');

function nodeName(host: string): string {
  return host.replace(/^\\/, '');
}

function words(text: string): readonly string[] {
  return text.split(/[ ,]+/).filter((word) => word !== '');
}

/** As in the product's file, a text may have quotes around it. */
function valueText(value: string | number | boolean): string {
  if (typeof value === 'boolean') return value ? 'YES' : 'NO';
  const text = String(value).trim();
  const bare = /^'(.*)'$/.exec(text)?.[1] ?? text;
  return /^(?:yes|no)$/i.test(bare) ? bare.toUpperCase() : bare;
}

function splitKey(key: string): {
  readonly name: ParameterName;
  readonly suffix: string | undefined;
} {
  const name = (Object.keys(EMS_PARAMETERS) as ParameterName[]).find(
    (each) => key === each || key.startsWith(`${each}_`),
  );
  if (name === undefined) {
    refuse(key.slice(0, 60), `there is none of that name; there are ${parameterNames()}`);
  }
  return { name, suffix: key === name ? undefined : key.slice(name.length + 1) };
}

const parameterNames = (): string => Object.keys(EMS_PARAMETERS).join(', ');

const WORD_PATTERNS: Readonly<Partial<Record<ParameterEntry['form'], RegExp>>> = {
  hosts: /^\\?[A-Z][A-Z0-9]{0,6}$/,
  vaults: NAME_PATTERNS.vault,
  servers: NAME_PATTERNS.server,
  devices: NAME_PATTERNS.device,
};

function checkValue(key: string, row: ParameterEntry, value: string | number | boolean): void {
  const text = valueText(value);
  if (text.length > VALUE_CHARS_MAX) refuse(key, `it has at most ${VALUE_CHARS_MAX} characters`);
  if (row.form === 'yes-no') {
    if (text !== 'YES' && text !== 'NO') refuse(key, 'it is YES or NO');
    return;
  }
  if (row.form === 'seconds') {
    if (!/^\d{1,5}(?:\.\d{1,3})?$/.test(text) || Number(text) > EMS_SECONDS_MAX) {
      refuse(key, `it is a number of seconds, at most ${EMS_SECONDS_MAX}`);
    }
    return;
  }
  const list = words(text);
  if (list.length > LIST_WORDS_MAX) refuse(key, `it names at most ${LIST_WORDS_MAX}`);
  if (row.form === 'devices' && text === 'ALL') return;
  const pattern = WORD_PATTERNS[row.form];
  const wrong = list.find((word) => pattern?.test(word) !== true);
  if (wrong !== undefined) {
    refuse(key, `${JSON.stringify(wrong.slice(0, 40))} is no name of the kind that it lists`);
  }
}

function refuse(key: string, reason: string): never {
  throw new CapstanError('INVALID_ARGUMENT', { what: `The parameter ${key}`, reason });
}
