import { describe, expect, it } from 'vitest';
import { parseConfiguration } from '../../../src/cli/configuration.ts';
import { cleanupSettings, hsmSettings } from '../../../src/cli/media-configuration.ts';
import { CLEANUP_DEFAULTS } from '../../../src/server/scan-cleanup.ts';

const parse = (part: object) => parseConfiguration('capstan.json', { name: 'east', ...part });
const hsm = (command: readonly string[], more: object = {}) =>
  parse({ hsm: { enable: true, backup: { TSM: { command, ...more } } } });

describe('the parts cleanup and hsm of capstan.json', () => {
  it('are off where they are missing', () => {
    const { cleanup, hsm: none } = parse({});
    expect(cleanupSettings(cleanup)).toEqual(CLEANUP_DEFAULTS);
    expect(hsmSettings(none)).toEqual({ enable: false, backup: {}, restore: {} });
  });

  it('become the settings of the services, in their units', () => {
    const { cleanup } = parse({
      cleanup: { enable: true, minSizeMegabytes: 1.5, usagePercentMax: 80 },
    });
    expect(cleanupSettings(cleanup)).toMatchObject({
      enable: true,
      autoerase: false,
      minSizeBytes: 1_500_000,
      usagePercentMax: 80,
    });
    const command = ['/opt/bma', '{path}', '--copies={copies}'];
    const { hsm: part } = hsm(command, { keywords: ['copies'], timeoutSeconds: 60 });
    expect(hsmSettings(part)).toEqual({
      enable: true,
      backup: { TSM: { command, keywords: ['copies'], timeoutMs: 60_000 } },
      restore: {},
    });
  });

  it.each([
    ['a program that is looked for', () => hsm(['dsmc', '{path}']), /absolute path/],
    ['a program out of a place', () => hsm(['/opt/{tape}']), /absolute path/],
    [
      'a place that nothing fills in',
      () => hsm(['/opt/bma', '{tapes}']),
      /nothing fills in \{tapes\}/,
    ],
    ['a command line without a word', () => hsm([]), /hsm.backup.TSM.command/],
    [
      'a verb that is none',
      () => parse({ hsm: { backup: { tsm: { command: ['/a'] } } } }),
      /hsm.backup/,
    ],
    ['a time of day that is none', () => parse({ cleanup: { scanAt: '24:00' } }), /no time of day/],
    ['an interval of nothing', () => parse({ cleanup: { intervalHours: 0 } }), /intervalHours/],
    ['a key that is mistyped', () => parse({ cleanup: { autoErase: true } }), /autoErase/],
  ])('refuse %s', (_, read, reason) => {
    expect(read).toThrow(reason);
  });

  it('refuse a restore that is given no place for what it brings back', () => {
    const restore = (command: readonly string[]) =>
      parse({ hsm: { restore: { TSM: { command } } } });
    expect(() => restore(['/opt/bma', '{path}'])).toThrow(/restore.*\{store\}/);
    const { hsm: part } = restore(['/opt/bma', '{tape}', '{store}']);
    expect(hsmSettings(part).restore?.TSM).toMatchObject({ timeoutMs: 86_400_000 });
  });
});
