import { describe, expect, it } from 'vitest';
import {
  type PolicyCommand,
  type PolicyGrammar,
  POLICY_TEXT_CHARS_MAX,
  POLICY_WORDS_MAX,
  WRITE_TO_0,
  endsQuoted,
  formatVtsPolicy,
  isPolicyText,
  parseRetention,
  parseVtsPolicy,
} from '../../../src/ems/vtspolicy.ts';

function commandOf(text: string, grammar: PolicyGrammar = '6.04.04'): PolicyCommand {
  const parsed = parseVtsPolicy(text, grammar);
  if (parsed.kind === 'refused') throw new Error(parsed.reason);
  return parsed.command;
}

function reasonOf(text: string, grammar: PolicyGrammar = '6.04.04'): string {
  const parsed = parseVtsPolicy(text, grammar);
  return parsed.kind === 'refused' ? parsed.reason : `taken: ${JSON.stringify(parsed.command)}`;
}

describe('VTSPolicy', () => {
  it("reads the 6.02 manual's sample", () => {
    expect(commandOf('VTSPolicy FTX "/VAULT01/Pool s=VTS1 st=VTS1 o=opt1 r=14,d"', '6.02')).toEqual(
      {
        kind: 'migrate',
        verb: 'FTX',
        path: { vault: 'VAULT01', pool: 'Pool' },
        values: { source: 'VTS1', sourceTSM: 'VTS1', optfile: 'opt1', retention: '14,d' },
      },
    );
  });

  it.each(['HPD', 'BEX', 'NBU', 'LEG', 'ARC', 'FTX'] as const)('reads %s with a pool', (verb) => {
    expect(commandOf(`VTSPolicy ${verb} '/VAULT00/POOL'`)).toEqual({
      kind: 'migrate',
      verb,
      path: { vault: 'VAULT00', pool: 'POOL' },
      values: {},
    });
  });

  it('takes TSM in the form of each version and refuses the other', () => {
    const older = 'VTSPolicy TSM "/VAULT00/POOL/LAB001 source=east"';
    const newer = "VTSPolicy TSM 'selective /VAULT00/POOL/LAB001 o=/opt/dsm.opt'";
    expect(commandOf(older, '6.03.41')).toMatchObject({
      path: { vault: 'VAULT00', pool: 'POOL', tape: 'LAB001' },
      values: { source: 'east' },
    });
    expect(commandOf(newer)).toMatchObject({
      backupType: 'selective',
      values: { optfile: '/opt/dsm.opt' },
    });
    expect(reasonOf(older)).toBe(
      'The words behind TSM begin with a backup type, archive or selective.',
    );
    expect(reasonOf(newer, '6.03.41')).toBe(
      'TSM needs source=, the server that executes the command.',
    );
    expect(reasonOf("VTSPolicy TSM 'archive /VAULT00/POOL o=dsm.opt'")).toBe(
      'The optfile "dsm.opt" is no absolute path.',
    );
  });

  it('parts words by blanks and keywords by =, blanks around it or not', () => {
    const values = { source: 'VTS1', retention: '2,w' };
    for (const words of ['s=VTS1 r=2,w', '  s = VTS1   r= 2,w ', 's =VTS1 r =2,w']) {
      expect(commandOf(`VTSPolicy NBU "/VAULT00/POOL ${words}"`)).toMatchObject({ values });
    }
  });

  it('reads Erase and Delete: a lone hyphen, one tape or more, and s=', () => {
    expect(commandOf('VTSPolicy Erase - /VAULT00/POOL/LAB001 LAB002 s=east.lab.example')).toEqual({
      kind: 'erase',
      verb: 'Erase',
      tapes: [{ vault: 'VAULT00', pool: 'POOL', tape: 'LAB001' }, { tape: 'LAB002' }],
      values: { source: 'east.lab.example' },
    });
    expect(commandOf('VTSPolicy Delete "- LAB001"')).toMatchObject({ kind: 'delete' });
    expect(reasonOf('VTSPolicy Erase - LAB001 s=east', '6.03.41')).toBe(
      'Erase takes no keyword "source" in this version.',
    );
  });

  it.each([
    ['VTSPOLICY Erase - LAB001', 'Case counts: the text begins with VTSPolicy.'],
    ['VTSPolicy erase - LAB001', 'Case counts: the command "erase" is written Erase.'],
    ['VTSPolicy Erase LAB001', 'Behind Erase stands a lone hyphen, then the tapes.'],
    ['VTSPolicy Erase -', 'Behind Erase - stands at least one tape.'],
    ['VTSPolicy Erase - /VAULT00/POOL', '"/VAULT00/POOL" is a pool: Erase takes tapes one by one.'],
    ['VTSPolicy Erase - LAB001 LAB001', 'The tape "LAB001" is named twice.'],
    [
      'VTSPolicy Erase - ../../etc',
      '"../../etc" is no path of the form /VAULT00/POOL or /VAULT00/POOL/TAPE.',
    ],
    ['VTSPolicy Erase - LAB001 r=14,d', 'Erase takes no keyword "retention" in this version.'],
    ['VTSPolicy Erase - "LAB001"', 'A quote stands in the middle of the words.'],
    ['VTSPolicy NBU /VAULT00/POOL', 'The words behind NBU stand in one pair of quotes.'],
    ['VTSPolicy NBU ""', 'The words behind NBU name a pool as /VAULT00/POOL.'],
    [
      'VTSPolicy NBU "VAULT00/POOL"',
      '"VAULT00/POOL" is no path of the form /VAULT00/POOL or /VAULT00/POOL/TAPE.',
    ],
    ['VTSPolicy NBU "/VAULT00/POOL" more', 'Something stands behind the quoted string.'],
    ['VTSPolicy NBU "/VAULT00/POOL x"', 'The word "x" behind the path is no keyword=value.'],
    ['VTSPolicy NBU "/VAULT00/POOL s=VTS1 x"', 'The word "x" stands behind the keywords.'],
    ['VTSPolicy NBU "/VAULT00/POOL s=a source=b"', 'The keyword "source" is given twice.'],
    ['VTSPolicy NBU "/VAULT00/POOL s="', 'The keyword "s" has no value.'],
    ['VTSPolicy NBU "/VAULT00/POOL s==a"', 'The keyword "s" has no value.'],
    ['VTSPolicy NBU "= a"', 'An = has no keyword before it.'],
    ['VTSPolicy NBU "/VAULT00/POOL __proto__=a"', '"__proto__" is no keyword.'],
    ['VTSPolicy NBU "/VAULT00/POOL o=-rf"', 'The value "-rf" of optfile begins with a hyphen.'],
    [
      'VTSPolicy NBU "/VAULT00/POOL r=14"',
      'The retention "14" is not of the form 14,d with d, w, m or y.',
    ],
    ['VTSPolicy NBU "/VAULT00/POOL s=a;b"', 'The source "a;b" is no host name.'],
    [`VTSPolicy NBU "/VAULT00/POOL s='a'"`, 'A quote stands in the middle of the words.'],
    ['VTSPolicy IDR "/VAULT00/POOL/LAB001"', 'IDR synchronises whole pools: write /VAULT00/POOL.'],
    [
      'VTSPolicy ERA - LAB001',
      '"ERA" is no command: there are HPD, TSM, BEX, NBU, LEG, ARC, FTX, IDR, Erase, Delete.',
    ],
    [
      'VTSPolicy',
      'Behind VTSPolicy stands one of HPD, TSM, BEX, NBU, LEG, ARC, FTX, IDR, Erase, Delete.',
    ],
    ['VTSPolicy Erase - L\u00c4B001', 'The text holds a character that is not printable ASCII.'],
  ])('refuses %j with one sentence', (text, reason) => {
    expect(reasonOf(text)).toBe(reason);
  });

  it('refuses a quoted command that lost its end, and says where that happens', () => {
    const whole = `VTSPolicy NBU "/VAULT00/POOL o=${'x'.repeat(80)} s=east"`;
    expect(commandOf(whole).kind).toBe('migrate');
    expect(reasonOf(whole.slice(0, WRITE_TO_0.textCharsMax))).toBe(
      'The quoted string has no end: a text that FUP writes to $0 is cut at 102 characters.',
    );
  });

  it('holds to its limits', () => {
    expect(reasonOf(`VTSPolicy NBU "${'x'.repeat(POLICY_TEXT_CHARS_MAX)}"`)).toMatch(
      /over the limit of 4096/,
    );
    const many = 'A '.repeat(POLICY_WORDS_MAX + 1);
    expect(reasonOf(`VTSPolicy Erase - ${many}`)).toMatch(
      /over the limit of 512; send it in parts/,
    );
    expect(reasonOf(`VTSPolicy NBU "/VAULT00/${'P'.repeat(260)}"`)).toMatch(
      /has over 255 characters/,
    );
  });

  it('knows what is meant as a command, and what is proven whole', () => {
    expect(isPolicyText('VTSPolicy Erase - LAB001')).toBe(true);
    expect(isPolicyText('vtspolicy erase')).toBe(true);
    expect(isPolicyText('VTSPolicyErase')).toBe(false);
    expect(endsQuoted('VTSPolicy NBU "/VAULT00/POOL"')).toBe(true);
    expect(endsQuoted('VTSPolicy Erase - LAB001')).toBe(false);
    expect(endsQuoted('VTSPolicy NBU "/VAULT00/POOL')).toBe(false);
  });

  it('knows how long a retention is', () => {
    expect(parseRetention('14,d')).toBe(14 * 86_400_000);
    expect(parseRetention('1,y')).toBe(365 * 86_400_000);
    expect(parseRetention('14,x')).toBeUndefined();
  });

  it('writes a command as a host would', () => {
    expect(formatVtsPolicy(commandOf('VTSPolicy  Erase  -  LAB001  s = east'))).toBe(
      'VTSPolicy Erase - LAB001 source=east',
    );
  });
});
