import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  DEFAULT_EMS_HOST_PARAMETERS,
  EMS_PARAMETERS,
  EmsParameters,
  type EmsParameterValues,
} from '../../../src/ems/parameters.ts';

const HOSTS = ['\\LAB', '\\EAST'];

describe('the ems_ parameters', () => {
  it('have the defaults that the manual gives, and ours where it gives none', () => {
    expect(DEFAULT_EMS_HOST_PARAMETERS).toEqual({
      enabled: true,
      keepAliveMs: 30_000,
      notifyWaitTimeoutMs: 20_000,
      notifyLogoutTimeoutMs: 3_000,
      responseTimeoutMs: 5_000,
      vaults: undefined,
      mountDelayMs: 0,
      resetDevices: [],
    });
  });

  it("are a host's own, else those for any system, else those without a suffix", () => {
    const parameters = new EmsParameters(
      {
        ems_response_timeout: 7,
        ems_notify_wait_timeout: 1,
        ems_notify_wait_timeout_ANYSYS: "'40'",
        ems_notify_wait_timeout_LAB: '60',
        ems_mount_reset: 'yes',
        ems_resetdevs_ANYSYS: '$TAPE0 $TAPE1',
        ems_resetdevs_EAST: 'ALL',
        ems_vaults_LAB: 'VAULT00, VAULT02',
        ems_mount_delay: '1.5',
        ems_InterSystemCommunication_hosts: 'west north',
      },
      HOSTS,
    );
    expect(parameters.of('\\LAB')).toMatchObject({
      responseTimeoutMs: 7_000,
      notifyWaitTimeoutMs: 60_000,
      resetDevices: ['$TAPE0', '$TAPE1'],
      vaults: ['VAULT00', 'VAULT02'],
      mountDelayMs: 1_500,
    });
    expect(parameters.of('\\EAST')).toMatchObject({
      notifyWaitTimeoutMs: 40_000,
      resetDevices: 'ALL',
      vaults: undefined,
    });
    expect(parameters.interSystemServers).toEqual(['west', 'north']);
  });

  it('listen to the hosts named, with or without the backslash, or to none', () => {
    const enabled = (values: EmsParameterValues): boolean[] =>
      HOSTS.map((host) => new EmsParameters(values, HOSTS).of(host).enabled);
    expect(enabled({})).toEqual([true, true]);
    expect(enabled({ ems_hostnames: 'EAST' })).toEqual([false, true]);
    expect(enabled({ ems_hostnames: '\\LAB \\EAST' })).toEqual([true, true]);
    expect(enabled({ ems_enable: "'NO'" })).toEqual([false, false]);
    expect(enabled({ ems_enable: false })).toEqual([false, false]);
  });

  it('reset no device while ems_mount_reset is off', () => {
    const parameters = new EmsParameters({ ems_resetdevs_LAB: 'ALL' }, HOSTS);
    expect(parameters.of('\\LAB').resetDevices).toEqual([]);
  });

  it.each([
    [{ ems_enabled: 'YES' }, /The parameter ems_enabled is refused: there is none of that name/],
    [{ ems_keep_alive_LAB: 3 }, /it is for all hosts alike/],
    [{ ems_vaults: 'VAULT00' }, /it needs a host's name behind it/],
    [{ ems_vaults_ANYSYS: 'VAULT00' }, /ANYSYS is not valid here/],
    [{ ems_vaults_WEST: 'VAULT00' }, /no host is named \\WEST/],
    [{ ems_hostnames: 'LAB WEST' }, /no host is named \\WEST/],
    [{ ems_enable: 'MAYBE' }, /it is YES or NO/],
    [{ ems_keep_alive: 'soon' }, /it is a number of seconds, at most 86400/],
    [{ ems_keep_alive: -1 }, /it is a number of seconds/],
    [{ ems_keep_alive: 86_401 }, /at most 86400/],
    [{ ems_vaults_LAB: '../x' }, /"..\/x" is no name/],
    [{ ems_resetdevs_LAB: 'TAPE0' }, /"TAPE0" is no name/],
    [{ ems_resetdevs_LAB: `$T${' $T'.repeat(64)}` }, /it names at most 64/],
    [{ ems_vaults_LAB: 'V'.repeat(5000) }, /it has at most 4096 characters/],
  ])('%j is refused', (values, sentence) => {
    expect(() => new EmsParameters(values as EmsParameterValues, HOSTS)).toThrow(sentence);
  });

  it('are documented, each with its default', () => {
    const page = readFileSync('docs/reference/ems.md', 'utf8');
    for (const [name, row] of Object.entries(EMS_PARAMETERS)) {
      const shown = row.default === '' ? 'empty' : row.default;
      const suffix = { none: '', host: '_HOST', 'host-or-any': '[_HOST]' }[row.suffix];
      expect(page).toContain(
        `| \`${name}${suffix}\` | ${row.meaning} | ${shown}${row.defaultFrom === 'ours' ? ' (ours)' : ''} |`,
      );
    }
  });
});
