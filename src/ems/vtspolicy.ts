/**
 * VTSPolicy: the commands that a host sends as the text of an EMS event.
 *
 *   VTSPolicy TSM 'archive /VAULT00/BACKUP/LAB001 s=east o=/opt/tsm/dsm.opt'
 *   VTSPolicy FTX "/VAULT01/POOL s = VTS1 r=14,d"
 *   VTSPolicy IDR "/VAULT00/BACKUP s=east"
 *   VTSPolicy Erase - /VAULT00/BACKUP/LAB001 LAB002 s=east
 *
 * One quoted string, in single or double quotes, behind the verb; words by blanks; `=` parts a keyword
 * from its value, blanks around it or not; `/`, commas and dots belong to words. Case counts everywhere.
 * `Erase` and `Delete` take their words unquoted as the manual prints them, or quoted like the others.
 * What the versions differ in is one table; what the manuals leave open is marked ours.
 *
 * A quoted text proves by its closing quote that it came whole. An unquoted one does not: a WRITE to
 * `$0` cuts a text at WRITE_TO_0.textCharsMax characters, and what is lost may be `s=`.
 *
 * @source VTS 6.02 Installation Guide p. 51-52; 6.03.41 p. 93; 6.04.04 Operations Guide p. 52 and 97;
 * 8.2 Configuration Guide p. 85; EMS Manual p. 609 (event 512).
 */

/** Longest text that is looked at, characters: the longest that a distributor's event has. */
export const POLICY_TEXT_CHARS_MAX = 4096;
/** Most words of a command. */
export const POLICY_WORDS_MAX = 512;
/** Longest word, characters. */
export const POLICY_WORD_CHARS_MAX = 255;
/** What a plain WRITE to `$0` becomes, as by FUP COPY: the event's number, and where its text is cut. */
export const WRITE_TO_0 = { eventNumber: 512, textCharsMax: 102 } as const;

const KEYWORD = 'VTSPolicy';

/** The backup management applications by their verbs; FTX stands in a sample and is not explained. */
export const BMA_VERBS = {
  HPD: 'HP Data Protector',
  TSM: 'IBM Tivoli Storage Manager',
  BEX: 'Syncsort Backup Express',
  NBU: 'NetBackup',
  LEG: 'EMC Legato NetWorker',
  ARC: 'CA BrightStor ARCserve',
  FTX: 'FTX',
} as const satisfies Record<string, string>;

export type BmaVerb = keyof typeof BMA_VERBS;

const VERBS = [...Object.keys(BMA_VERBS), 'IDR', 'Erase', 'Delete'] as const;

/** The forms that the manuals print, by the version that printed them first. */
export type PolicyGrammar = '6.02' | '6.03.41' | '6.04.04';

interface GrammarRules {
  /** TSM's words begin with a backup type. */
  readonly tsmBackupType: boolean;
  /** TSM needs `source`. */
  readonly tsmSource: boolean;
  /** Erase and Delete may have `source`. */
  readonly eraseSource: boolean;
}

export const POLICY_GRAMMARS = {
  '6.02': { tsmBackupType: false, tsmSource: false, eraseSource: false },
  '6.03.41': { tsmBackupType: false, tsmSource: true, eraseSource: false },
  '6.04.04': { tsmBackupType: true, tsmSource: false, eraseSource: true },
} as const satisfies Record<PolicyGrammar, GrammarRules>;

/** Keywords by their names here, each with what a host may write; `destinationTSM`'s short form is ours. */
export const POLICY_KEYWORDS = {
  source: ['source', 's'],
  destination: ['destination', 'd'],
  sourceTSM: ['sourceTSM', 'st'],
  destinationTSM: ['destinationTSM', 'dt'],
  optfile: ['optfile', 'o'],
  retention: ['retention', 'r'],
} as const satisfies Record<string, readonly [string, string]>;

export const BACKUP_TYPES = ['archive', 'selective'] as const;
export type BackupType = (typeof BACKUP_TYPES)[number];

/** A pool of a vault, or one of its tapes: `/VAULT00/BACKUP`, `/VAULT00/BACKUP/LAB001`. */
export interface MediaPath {
  readonly vault: string;
  readonly pool: string;
  /** All tapes of the pool where it is missing. */
  readonly tape?: string;
}

/** Values by {@link POLICY_KEYWORDS}'s name, or by the name that the host wrote where it is none of those. */
export type PolicyValues = Readonly<Record<string, string>>;

export type PolicyCommand =
  | {
      readonly kind: 'migrate';
      readonly verb: BmaVerb;
      readonly backupType?: BackupType;
      readonly path: MediaPath;
      readonly values: PolicyValues;
    }
  | {
      readonly kind: 'synchronize';
      readonly verb: 'IDR';
      readonly path: MediaPath;
      readonly values: PolicyValues;
    }
  | {
      readonly kind: 'erase' | 'delete';
      readonly verb: 'Erase' | 'Delete';
      /** A tape by its path, or by its name alone. */
      readonly tapes: readonly (Required<MediaPath> | { readonly tape: string })[];
      readonly values: PolicyValues;
    };

export type PolicyParse =
  | {
      readonly kind: 'command';
      readonly command: PolicyCommand;
      /** Whether a closing quote vouches for its end. */
      readonly quoted: boolean;
    }
  /** `reason` is a sentence. */
  | { readonly kind: 'refused'; readonly reason: string };

/** Whether a text is meant as a command, rightly written or not. */
export function isPolicyText(text: string): boolean {
  return /^vtspolicy(?: |$)/i.test(text);
}

/** Whether a text's last word is behind it: its quoted string is closed. */
export function endsQuoted(text: string): boolean {
  return /^\S+ +\S+ *(["'])[^"']*\1$/.test(text);
}

/** The command of a text, or why it is none. Never throws. */
export function parseVtsPolicy(text: string, grammar: PolicyGrammar): PolicyParse {
  try {
    return parse(text, grammar);
  } catch (error) {
    if (error instanceof Refusal) return { kind: 'refused', reason: error.reason };
    throw error;
  }
}

/** As a host would write it: canonical keywords, single blanks, double quotes where there are any. */
export function formatVtsPolicy(command: PolicyCommand): string {
  const values = Object.entries(command.values).map(([name, value]) => `${name}=${value}`);
  switch (command.kind) {
    case 'erase':
    case 'delete':
      return [KEYWORD, command.verb, '-', ...command.tapes.map(formatTape), ...values].join(' ');
    case 'migrate': {
      const type = command.backupType === undefined ? [] : [command.backupType];
      const words = [...type, formatMediaPath(command.path), ...values].join(' ');
      return `${KEYWORD} ${command.verb} "${words}"`;
    }
    case 'synchronize':
      return `${KEYWORD} ${command.verb} "${[formatMediaPath(command.path), ...values].join(' ')}"`;
  }
}

/** `/VAULT00/BACKUP/LAB001`. */
export function formatMediaPath({ vault, pool, tape }: MediaPath): string {
  return `/${vault}/${pool}${tape === undefined ? '' : `/${tape}`}`;
}

function formatTape(tape: MediaPath | { readonly tape: string }): string {
  return 'vault' in tape ? formatMediaPath(tape) : tape.tape;
}

const DAY_MS = 86_400_000;
/** The units of a retention: `d` is in the manual's sample, the others are ours. */
const RETENTION_UNITS_MS: Readonly<Record<string, number>> = {
  d: DAY_MS,
  w: 7 * DAY_MS,
  m: 30 * DAY_MS,
  y: 365 * DAY_MS,
};
const RETENTION_PATTERN = /^(\d{1,4}),([dwmy])$/;

/** How long `14,d` is; undefined where the text is no retention. */
export function parseRetention(text: string): number | undefined {
  const [, count = '', unit = ''] = RETENTION_PATTERN.exec(text) ?? [];
  const unitMs = RETENTION_UNITS_MS[unit];
  return unitMs === undefined ? undefined : Number(count) * unitMs;
}

/** Ends a parse; never leaves this file. */
class Refusal extends Error {
  readonly reason: string;

  constructor(reason: string) {
    super(reason);
    this.reason = reason;
  }
}

function refuse(reason: string): never {
  throw new Refusal(reason);
}

/** What a sentence quotes of a text from outside. */
const QUOTED_CHARS_MAX = 40;
const quote = (text: string): string => JSON.stringify(text.slice(0, QUOTED_CHARS_MAX));

function parse(text: string, grammar: PolicyGrammar): PolicyParse {
  if (text.length > POLICY_TEXT_CHARS_MAX) {
    refuse(`The text has ${text.length} characters, over the limit of ${POLICY_TEXT_CHARS_MAX}.`);
  }
  if (!/^[ -~]*$/.test(text)) refuse('The text holds a character that is not printable ASCII.');
  const [, keyword = '', verb = '', rest = ''] = /^ *(\S*) *([^\s"']*)(.*)$/.exec(text) ?? [];
  if (keyword !== KEYWORD) refuse(`Case counts: the text begins with ${KEYWORD}.`);
  if (!VERBS.includes(verb)) refuse(unknownVerb(verb));
  const { body, quoted } = unquote(rest);
  const words = splitWords(body);
  const rules: GrammarRules = POLICY_GRAMMARS[grammar];
  if (verb === 'Erase' || verb === 'Delete') {
    return { kind: 'command', command: parseErase(verb, words, rules), quoted };
  }
  if (!quoted) refuse(`The words behind ${verb} stand in one pair of quotes.`);
  const command =
    verb === 'IDR' ? parseSynchronize(words) : parseMigrate(verb as BmaVerb, words, rules);
  return { kind: 'command', command, quoted };
}

function unknownVerb(verb: string): string {
  if (verb === '') return `Behind ${KEYWORD} stands one of ${VERBS.join(', ')}.`;
  const meant = VERBS.find((each) => each.toLowerCase() === verb.toLowerCase());
  return meant === undefined
    ? `${quote(verb)} is no command: there are ${VERBS.join(', ')}.`
    : `Case counts: the command ${quote(verb)} is written ${meant}.`;
}

/** What stands in the quotes, or all of it where there are none. */
function unquote(rest: string): { readonly body: string; readonly quoted: boolean } {
  const body = rest.replaceAll(/^ +| +$/g, '');
  const mark = body.charAt(0);
  if (mark !== '"' && mark !== "'") {
    if (/["']/.test(body)) refuse('A quote stands in the middle of the words.');
    return { body, quoted: false };
  }
  const end = body.indexOf(mark, 1);
  if (end < 0) {
    refuse(
      `The quoted string has no end: a text that FUP writes to $0 is cut at ${WRITE_TO_0.textCharsMax} characters.`,
    );
  }
  if (end < body.length - 1) refuse('Something stands behind the quoted string.');
  const inside = body.slice(1, end);
  if (/["']/.test(inside)) refuse('A quote stands in the middle of the words.');
  return { body: inside, quoted: true };
}

interface Words {
  readonly plain: readonly string[];
  readonly values: PolicyValues;
}

/** Words and `keyword=value` pairs, which come in any order behind the plain words. */
function splitWords(body: string): Words {
  const tokens = body.match(/=|[^ =]+/g) ?? [];
  if (tokens.length > POLICY_WORDS_MAX) {
    refuse(
      `The command has ${tokens.length} words, over the limit of ${POLICY_WORDS_MAX}; send it in parts.`,
    );
  }
  const plain: string[] = [];
  const values: Record<string, string> = {};
  for (let at = 0; at < tokens.length; at += 1) {
    const token = tokens[at] ?? '';
    if (token === '=') refuse('An = has no keyword before it.');
    if (token.length > POLICY_WORD_CHARS_MAX) {
      refuse(`The word ${quote(token)} has over ${POLICY_WORD_CHARS_MAX} characters.`);
    }
    if (tokens[at + 1] !== '=') {
      if (Object.keys(values).length > 0) {
        refuse(`The word ${quote(token)} stands behind the keywords.`);
      }
      plain.push(token);
      continue;
    }
    const value = tokens[at + 2];
    if (value === undefined || value === '=') refuse(`The keyword ${quote(token)} has no value.`);
    const name = keywordName(token);
    if (Object.hasOwn(values, name)) refuse(`The keyword ${quote(token)} is given twice.`);
    values[name] = checkValue(name, value);
    at += 2;
  }
  return { plain, values };
}

function keywordName(written: string): string {
  for (const [name, forms] of Object.entries(POLICY_KEYWORDS)) {
    if ((forms as readonly string[]).includes(written)) return name;
  }
  if (!/^[A-Za-z][A-Za-z0-9]{0,31}$/.test(written)) refuse(`${quote(written)} is no keyword.`);
  return written;
}

function checkValue(name: string, value: string): string {
  if (value.length > POLICY_WORD_CHARS_MAX) {
    refuse(`The value of ${name} has over ${POLICY_WORD_CHARS_MAX} characters.`);
  }
  // A value may become an argument of a command line, and shall be no option there.
  if (value.startsWith('-')) refuse(`The value ${quote(value)} of ${name} begins with a hyphen.`);
  if (name === 'source' && !/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(value)) {
    refuse(`The source ${quote(value)} is no host name.`);
  }
  if (name === 'retention' && parseRetention(value) === undefined) {
    refuse(`The retention ${quote(value)} is not of the form 14,d with d, w, m or y.`);
  }
  return value;
}

function parseMigrate(verb: BmaVerb, words: Words, rules: GrammarRules): PolicyCommand {
  const { values } = words;
  let { plain } = words;
  let backupType: BackupType | undefined;
  if (verb === 'TSM' && rules.tsmBackupType) {
    backupType = BACKUP_TYPES.find((each) => each === plain[0]);
    if (backupType === undefined) {
      refuse(`The words behind TSM begin with a backup type, ${BACKUP_TYPES.join(' or ')}.`);
    }
    plain = plain.slice(1);
    if (values['optfile'] !== undefined && !values['optfile'].startsWith('/')) {
      refuse(`The optfile ${quote(values['optfile'])} is no absolute path.`);
    }
  }
  if (verb === 'TSM' && rules.tsmSource && values['source'] === undefined) {
    refuse('TSM needs source=, the server that executes the command.');
  }
  const path = onlyPath(verb, plain);
  return { kind: 'migrate', verb, ...(backupType !== undefined && { backupType }), path, values };
}

function parseSynchronize({ plain, values }: Words): PolicyCommand {
  const path = onlyPath('IDR', plain);
  if (path.tape !== undefined) {
    const { vault, pool } = path;
    refuse(`IDR synchronises whole pools: write ${formatMediaPath({ vault, pool })}.`);
  }
  return { kind: 'synchronize', verb: 'IDR', path, values };
}

function parseErase(verb: 'Erase' | 'Delete', words: Words, rules: GrammarRules): PolicyCommand {
  const [dash, ...names] = words.plain;
  if (dash !== '-') refuse(`Behind ${verb} stands a lone hyphen, then the tapes.`);
  if (names.length === 0) refuse(`Behind ${verb} - stands at least one tape.`);
  const known: readonly string[] = rules.eraseSource ? ['source'] : [];
  const other = Object.keys(words.values).find((name) => !known.includes(name));
  if (other !== undefined) refuse(`${verb} takes no keyword ${quote(other)} in this version.`);
  const tapes = names.map((name) => {
    if (!name.startsWith('/')) return { tape: checkSegment(name, name) };
    const { vault, pool, tape } = parsePath(name);
    if (tape === undefined) refuse(`${quote(name)} is a pool: ${verb} takes tapes one by one.`);
    return { vault, pool, tape };
  });
  const texts = tapes.map(formatTape);
  const twice = texts.find((name, index) => texts.indexOf(name) !== index);
  if (twice !== undefined) refuse(`The tape ${quote(twice)} is named twice.`);
  const kind = verb === 'Erase' ? 'erase' : 'delete';
  return { kind, verb, tapes, values: words.values };
}

function onlyPath(verb: string, plain: readonly string[]): MediaPath {
  const [path, more] = plain;
  if (path === undefined) refuse(`The words behind ${verb} name a pool as /VAULT00/POOL.`);
  if (more !== undefined) refuse(`The word ${quote(more)} behind the path is no keyword=value.`);
  return parsePath(path);
}

function parsePath(text: string): MediaPath {
  const [before, vault, pool, tape, more] = text.split('/');
  if (before !== '' || vault === undefined || pool === undefined || more !== undefined) {
    refuse(`${quote(text)} is no path of the form /VAULT00/POOL or /VAULT00/POOL/TAPE.`);
  }
  return {
    vault: checkSegment(vault, text),
    pool: checkSegment(pool, text),
    ...(tape !== undefined && { tape: checkSegment(tape, text) }),
  };
}

/** Which names there can be is the catalog's affair; here they only must not be anything else. */
function checkSegment(segment: string, whole: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(segment)) return segment;
  return refuse(`${quote(whole)} is no path of the form /VAULT00/POOL or /VAULT00/POOL/TAPE.`);
}
