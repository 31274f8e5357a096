import { describe, expect, it } from 'vitest';
import { differencesOf, sequencesOf } from '../../../../harness/checker/sequences.ts';
import type { Recording } from '../../../../harness/workload/two-sites.ts';
import type { EventRow } from '../../../../src/ports/catalog.ts';

function entry(messageId: string, text: string, changes: Partial<EventRow> = {}): EventRow {
  const who = { address: '10.0.0.1', user: 'system', program: '' };
  return { id: 1, atMs: 1, severity: 'WARNING', messageId, ...who, text, ...changes };
}

function recording(east: readonly EventRow[], fromHost = ''): Recording {
  return {
    acts: [{ name: 'an act', events: { east, west: [] } }],
    conversations: [{ fromHost, fromServer: 'EMSDIST TIME 2026-11-21 19:00:00\r\n' }],
    tapes: ['east BACKUP LAB001 generation 1, 00'],
  };
}

function differences(one: Recording, other: Recording): readonly string[] {
  return differencesOf(
    { name: 'one', sequences: sequencesOf(one) },
    { name: 'other', sequences: sequencesOf(other) },
  );
}

const UNREACHABLE = 'AutoCopy of cartridge LAB001 to west failed at attempt 1 of 12: ';

describe('the sequences of two plays', () => {
  it('are the same whatever the times, numbers, addresses and words of a network are', () => {
    const simulated = recording(
      [entry('422102', `${UNREACHABLE}10.0.0.2:2201 cannot be reached: there is no way to it.`)],
      '26-01-01 00:00:03 \\LAB.$ZSVR\r\n',
    );
    const why = 'ssh: connect to host 127.0.0.1 port 22: Connection refused.';
    const real = recording(
      [
        entry('422102', `${UNREACHABLE}127.0.0.1:22 cannot be reached: ${why}`, {
          id: 7,
          atMs: 9,
          address: '127.0.0.1',
        }),
      ],
      '26-11-21 19:15:34 \\LAB.$ZSVR\r\n',
    );
    expect(differences(simulated, real)).toEqual([]);
  });

  it('are others where a word is another that no rule names', () => {
    const one = recording([entry('422102', `${UNREACHABLE}the disk is full.`)]);
    const other = recording([entry('422102', `${UNREACHABLE}the disk is fuller.`)]);
    expect(differences(one, other)).toEqual([
      'event log of east, an act, line 1 of 1 and 1',
      `  one:   WARNING|422102|system||${UNREACHABLE}the disk is full.`,
      `  other: WARNING|422102|system||${UNREACHABLE}the disk is fuller.`,
    ]);
    // A network's words are nothing but words in any other message.
    const down = '10.0.0.2:22 cannot be reached: there is no way to it.';
    expect(
      differences(recording([entry('622104', down)]), recording([entry('622104', 'nobody')])),
    ).toHaveLength(3);
  });

  it('are others where the order, the user, the end or what was said is another', () => {
    const [first, second] = [entry('220130', 'started'), entry('220120', 'established')];
    const both = recording([first, second], 'TACL 1>');
    expect(differences(both, recording([second, first], 'TACL 1>'))).toHaveLength(3);
    expect(differences(both, recording([first], 'TACL 1>'))).toContain('  other: (nothing more)');
    const root = { ...second, user: 'root' };
    expect(differences(both, recording([first, root], 'TACL 1>'))).toHaveLength(3);
    expect(differences(both, recording([first, second], 'TACL 2>'))).toContain(
      'TACL session 1, what the host said, line 1 of 1 and 1',
    );
  });
});
