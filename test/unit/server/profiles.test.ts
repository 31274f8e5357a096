import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseConfiguration } from '../../../src/cli/configuration.ts';
import { formatEventLine, parseEventLine } from '../../../src/server/event-line.ts';
import { PROFILES, PROFILE_NAMES } from '../../../src/server/profiles.ts';

describe('Profiles', () => {
  it('are told by docs/reference/profiles.md, value by value', () => {
    const page = readFileSync(
      new URL('../../../docs/reference/profiles.md', import.meta.url),
      'utf8',
    );
    const rows = page
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')));
    const told = Object.fromEntries(rows.map(([, key = '', ...cells]) => [key, cells.slice(0, 4)]));
    const { name: _, ...fields } = PROFILES['8.3'];
    const meant = Object.fromEntries(
      Object.keys(fields).map((key) => [
        key,
        PROFILE_NAMES.map((name) => {
          const value = PROFILES[name][key as keyof typeof fields];
          return typeof value === 'boolean' ? (value ? 'yes' : 'no') : value;
        }),
      ]),
    );
    expect(told).toEqual(meant);
    for (const key of Object.keys(fields)) expect(page).toContain(`- **\`${key}\`**:`);
  });

  it('are chosen by capstan.json, 8.3 where it says nothing, and one that is not known is refused', () => {
    expect(parseConfiguration('capstan.json', { name: 'east' }).profile).toBe('8.3');
    const older = parseConfiguration('capstan.json', { name: 'east', profile: '6.04.05' });
    expect(older.profile).toBe('6.04.05');
    expect(() => parseConfiguration('capstan.json', { name: 'east', profile: '9.0' })).toThrow(
      /"profile"/,
    );
  });

  it('before 6.04.02 have event lines without the field for the program', () => {
    const row = {
      id: 1,
      atMs: 0,
      severity: 'WARNING',
      messageId: '440002',
      address: '127.0.0.1',
      user: 'admin',
      program: 'capstan',
      text: 'text',
    } as const;
    const names = { systemId: '5900-E', serverName: 'east' };
    const line = (hasProgram: boolean): string => formatEventLine(row, { ...names, hasProgram });
    expect(line(PROFILES['6.04.01'].logHasProgram)).toBe(
      '1970-01-01 00:00:00|WARNING|440002|5900-E|127.0.0.1|east|admin|text',
    );
    expect(line(PROFILES['6.04.05'].logHasProgram)).toContain('|admin|capstan|text');
    expect(parseEventLine(line(false))).toMatchObject({ user: 'admin', program: '', text: 'text' });
    expect(parseEventLine(line(true))).toMatchObject({ program: 'capstan', text: 'text' });
  });
});
