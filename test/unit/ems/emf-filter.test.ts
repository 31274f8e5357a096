import { describe, expect, it } from 'vitest';
import { EMF_DEPTH_MAX, compileEmfFilter } from '../../../src/ems/emf-filter.ts';
import type { EmfEvent } from '../../../src/ems/emf-filter.ts';
import { EMF_SOURCE_CHARS_MAX, EMF_WORDS_MAX } from '../../../src/ems/emf-lexer.ts';

const MOUNT: EmfEvent = {
  'ZSPI^TKN^SSID': 'TANDEM.ZSVR',
  'ZEMS^TKN^EVENTNUMBER': 600,
  'ZEMS^TKN^EMPHASIS': false,
  'ZEMS^TKN^PROC^DESC': '$ZSVR',
  'ZEMS^TKN^TEXT': '$ZSVR: 0007 MOUNT LAB001 WITH RING',
  'ZTAP^TKN^TAPE^VOLUME': 'LAB001',
};
const POLICY: EmfEvent = {
  'ZSPI^TKN^SSID': 'TANDEM.EMS',
  'ZEMS^TKN^EVENTNUMBER': 512,
  'ZEMS^TKN^EMPHASIS': true,
  'ZEMS^TKN^PROC^DESC': '$BATCH',
  'ZEMS^TKN^TEXT': 'VTSPolicy IDR NIGHTLY',
};
const FTP: EmfEvent = {
  'ZSPI^TKN^SSID': 'TANDEM.MHS',
  'ZEMS^TKN^EVENTNUMBER': 600,
  'ZEMS^TKN^EMPHASIS': false,
  'ZEMS^TKN^PROC^DESC': '$FTI1',
};

/** Which of the three events a filter of these statements passes. */
function passed(statements: string): string {
  const filter = compileEmfFilter(`FILTER F; BEGIN ${statements} END;`);
  return Object.entries({ MOUNT, POLICY, FTP })
    .filter(([, event]) => filter.passes(event))
    .map(([name]) => name)
    .join(' ');
}

describe('a filter', () => {
  it('as the manual writes it passes the events of one subsystem', () => {
    const filter = compileEmfFilter(`
      FILTER TAPEFILT;
      BEGIN;
        ! mount requests only !
        IF ZSPI^TKN^SSID = SSID(ZTAP^VAL^SSID)
          AND ZEMS^TKN^EVENTNUMBER = ZTAP^EVT^MOUNTOUT THEN PASS;
      END;
    `);
    expect(filter.name).toBe('TAPEFILT');
    expect([MOUNT, POLICY, FTP].map((event) => filter.passes(event))).toEqual([true, false, false]);
  });

  it.each([
    ['PASS;', 'MOUNT POLICY FTP'],
    ['', ''],
    ['FAIL; PASS;', ''],
    ['IF ZEMS^TKN^EVENTNUMBER = 600 THEN FAIL; PASS;', 'POLICY'],
    ['IF ZEMS^TKN^EVENTNUMBER = 600 THEN FAIL ELSE PASS;', 'POLICY'],
    ['IF NOT ZEMS^TKN^EVENTNUMBER = 600 THEN PASS;', 'POLICY'],
    ['IF ZEMS^TKN^EVENTNUMBER <> 600 THEN PASS;', 'POLICY'],
    ['IF ZEMS^TKN^EVENTNUMBER > 512 THEN PASS;', 'MOUNT FTP'],
    ['IF ZEMS^TKN^EVENTNUMBER >= 512 AND ZEMS^TKN^EVENTNUMBER < 600 THEN PASS;', 'POLICY'],
    ['IF 512 <= ZEMS^TKN^EVENTNUMBER THEN PASS;', 'MOUNT POLICY FTP'],
    ['IF ZEMS^TKN^EMPHASIS = TRUE THEN PASS;', 'POLICY'],
    ['IF ZEMS^TKN^EMPHASIS THEN PASS;', 'POLICY'],
    ['IF ZEMS^TKN^PROC^DESC = "$FTI1  " THEN PASS;', 'FTP'],
    ['IF ZSPI^TKN^SSID = SSID("TANDEM.ZSVR.D30") THEN PASS;', 'MOUNT'],
    ['IF ZTAP^TKN^TAPE^VOLUME = "LAB001" THEN PASS;', 'MOUNT'],
    ['IF SSID(ZEMS^VAL^SSID, ZEMS^TKN^TEXT) = "VTSPolicy IDR NIGHTLY" THEN PASS;', 'POLICY'],
    ['SSID(ZEMS^VAL^SSID); IF ZEMS^TKN^TEXT = "VTSPolicy IDR NIGHTLY" THEN PASS;', 'POLICY'],
    [
      'IF ZEMS^TKN^EVENTNUMBER = 512 OR ZEMS^TKN^EVENTNUMBER = 600 AND ZEMS^TKN^PROC^DESC = "$FTI1" THEN PASS;',
      'POLICY FTP',
    ],
    [
      'IF (ZEMS^TKN^EVENTNUMBER = 512 OR ZEMS^TKN^EVENTNUMBER = 600) AND ZEMS^TKN^PROC^DESC = "$FTI1" THEN PASS;',
      'FTP',
    ],
    [
      'IF ZEMS^TKN^EVENTNUMBER = 600 THEN BEGIN IF ZEMS^TKN^PROC^DESC = "$FTI1" THEN FAIL; PASS; END;',
      'MOUNT',
    ],
    ['if zems^tkn^eventnumber = 600 then pass;', 'MOUNT FTP'],
  ])('of "%s" passes %s', (statements, names) => {
    expect(passed(statements)).toBe(names);
  });

  it('needs no semicolon before and behind its END', () => {
    expect(compileEmfFilter('FILTER F; BEGIN PASS END').passes(FTP)).toBe(true);
  });

  it('takes a comparison with a token that the event lacks for false, whichever it is', () => {
    expect(passed('IF ZTAP^TKN^TAPE^VOLUME <> "LAB002" THEN PASS;')).toBe('MOUNT');
    expect(passed('IF NOT ZTAP^TKN^TAPE^VOLUME = "LAB001" THEN PASS;')).toBe('POLICY FTP');
  });

  it.each([
    ['', 'line 1, column 1, is refused: FILTER is missing before the end'],
    ['FILTER F BEGIN END;', 'line 1, column 10, is refused: ; is missing before "BEGIN"'],
    ['FILTER F;\nBEGIN\n  PAS;\nEND;', 'line 3, column 3, is refused: "PAS" begins no statement'],
    ['FILTER F; BEGIN PASS; ', 'column 23, is refused: the end'],
    ['FILTER F; BEGIN END; PASS', 'the filter ended before this'],
    ['FILTER F; BEGIN IF X = 1 THEN PASS; END;', '"X" is no token and no value that is known'],
    ['FILTER F; BEGIN IF ZEMS^TKN^TEXT = "X" THEN PASS; END;', 'write SSID(ZEMS^VAL^SSID, ZEMS'],
    ['FILTER F; BEGIN IF ZEMS^TKN^CPU = "X" THEN PASS; END;', 'a string cannot be compared with a'],
    [
      'FILTER F; BEGIN IF ZSPI^TKN^SSID < SSID(ZTAP^VAL^SSID) THEN PASS; END;',
      'of two values of type ssid none is the greater',
    ],
    ['FILTER F; BEGIN IF ZEMS^TKN^CPU THEN PASS; END;', 'a comparison is missing before "THEN"'],
    ['FILTER F; BEGIN IF ZEMS^TKN^CPU = 1 PASS; END;', 'THEN is missing before "PASS"'],
    ['FILTER F; BEGIN SSID(ZTAP^EVT^MOUNTIN); END;', 'is no subsystem'],
    ['FILTER F; BEGIN IF ZSPI^TKN^SSID = SSID("X") THEN PASS; END;', '"X" is no subsystem'],
    ['FILTER F; BEGIN "PASS; END;', String.raw`"\"" has no meaning here`],
    ['FILTER F; BEGIN # END;', '"#" has no meaning here'],
    [`FILTER ${'F'.repeat(32)}; BEGIN END;`, 'a name has at most 31 characters'],
    ['FILTER F; BEGIN IF constructor = 1 THEN PASS; END;', 'is no token and no value'],
  ])('%j is told by its place', (source, sentence) => {
    expect(() => compileEmfFilter(source)).toThrow(sentence);
  });

  it.each([
    [`FILTER F; BEGIN ${'!'.repeat(EMF_SOURCE_CHARS_MAX)}`, 'over the limit of 65536 characters'],
    [`FILTER F; BEGIN ${'PASS;'.repeat(EMF_WORDS_MAX)}`, 'over the limit of 10000 words'],
    [`FILTER F; BEGIN IF ${'('.repeat(EMF_DEPTH_MAX)}`, 'nested at most 32 deep'],
    [`FILTER F; BEGIN IF ${'NOT '.repeat(EMF_DEPTH_MAX)}`, 'nested at most 32 deep'],
    [`FILTER F; ${'BEGIN '.repeat(EMF_DEPTH_MAX + 1)}`, 'nested at most 32 deep'],
    [`FILTER F; BEGIN IF "${'X'.repeat(256)}"`, 'over the limit of 255 characters'],
  ])('has limits: %#', (source, sentence) => {
    expect(() => compileEmfFilter(source)).toThrow(sentence);
  });
});
