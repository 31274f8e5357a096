import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { CapstanError } from '../../../src/base/errors.ts';
import { authorize, localPrincipal } from '../../../src/server/access.ts';
import type { Principal } from '../../../src/server/access.ts';
import { OPERATIONS } from '../../../src/server/operations.ts';
import {
  ALL_RIGHTS,
  CLOSED_RIGHTS,
  GROUPS,
  RIGHTS,
  rightNamed,
} from '../../../src/server/rights.ts';
import type { Right } from '../../../src/server/rights.ts';
import { Bench } from './bench.ts';

function principal(rights: readonly Right[]): Principal {
  return {
    user: 'mary',
    group: 'Operations',
    rights: new Set(rights),
    vaults: 'all',
    address: '192.0.2.7',
    program: 'API',
  };
}

describe('the table of rights', () => {
  it('is the one that docs/reference/rights.md explains', () => {
    const page = readFileSync('docs/reference/rights.md', 'utf8');
    const rows = [...page.matchAll(/^\| `([a-z-]+)` \| ([^|]+) \| [^|]+ \| ([AOS ]+) \|$/gm)];
    expect(rows.map(([, right, name, groups]) => [right, name, groups])).toEqual(
      ALL_RIGHTS.map((right) => [
        right,
        RIGHTS[right],
        GROUPS.filter((group) => CLOSED_RIGHTS[group].includes(right))
          .map((group) => group.charAt(0))
          .join(' '),
      ]),
    );
  });

  it('says on its page which of them guard nothing yet', () => {
    const page = readFileSync('docs/reference/rights.md', 'utf8');
    const [, sentence = ''] = /no operation asks for ([^]*?) yet:/.exec(page) ?? [];
    const asked = new Set<Right>(Object.values(OPERATIONS).map(({ right }) => right));
    // Those two are looked at with each vault, and with each command of VTSPolicy.
    const elsewhere: readonly Right[] = ['access-to-all-vaults', 'hsm-migration'];
    expect([...sentence.matchAll(/`([a-z-]+)`/g)].map(([, right]) => right)).toEqual(
      ALL_RIGHTS.filter((right) => !asked.has(right) && !elsewhere.includes(right)),
    );
  });

  it('is found by key and by the name in the manual', () => {
    expect(rightNamed('erase-cartridges')).toBe('erase-cartridges');
    expect(rightNamed(' Erase cartridges ')).toBe('erase-cartridges');
    expect(rightNamed('Erase')).toBeUndefined();
  });

  it('gives no group a right twice, and Operations nothing that destroys', () => {
    for (const group of GROUPS) {
      expect(new Set(CLOSED_RIGHTS[group]).size).toBe(CLOSED_RIGHTS[group].length);
    }
    for (const right of [
      'delete-cartridges',
      'erase-cartridges',
      'user-access-controls',
    ] as const) {
      expect(CLOSED_RIGHTS.Operations).not.toContain(right);
    }
  });
});

describe('every operation', () => {
  it.each(Object.entries(OPERATIONS))('%s has a right out of the table', (_, { right }) => {
    expect(ALL_RIGHTS).toContain(right);
  });

  it('that lists, shows or tells the state only looks; that makes or takes away changes', () => {
    const wrong = Object.entries(OPERATIONS).filter(
      ([name, { changes }]) =>
        (changes && /\.(list|show|status|metrics)$/.test(name)) ||
        (!changes && /\.(create|delete|add|remove|erase|rename|move|set)$/.test(name)),
    );
    expect(wrong.map(([name]) => name)).toEqual([]);
  });
});

describe('authorize', () => {
  it('says who lacks which right, and lets who has it pass', () => {
    authorize(principal(['view-log-files']), 'view-log-files');
    expect(() => authorize(principal(['view-log-files']), 'erase-cartridges')).toThrow(
      'The user mary lacks the right "Erase Cartridges"; an administrator gives it.',
    );
  });

  it('lets the operating-system user do everything', () => {
    expect([...localPrincipal('root').rights]).toEqual(ALL_RIGHTS);
  });
});

describe('an operation called as somebody', () => {
  let bench: Bench;
  beforeEach(async () => {
    bench = await Bench.start();
  });

  it.each(Object.entries(OPERATIONS))(
    '%s is refused without its right, before its parameters are looked at',
    async (name, { right }) => {
      const others = ALL_RIGHTS.filter((each) => each !== right);
      const call = bench.east.server.operations.callAs(principal(others), name, { bad: 1 });
      await expect(bench.finish(call)).rejects.toMatchObject({ code: 'RIGHT_MISSING' });
      const allowed = bench.east.server.operations.callAs(principal([right]), name, { bad: 1 });
      await expect(bench.finish(allowed)).rejects.toSatisfy(
        (error) => error instanceof CapstanError && error.code === 'INVALID_ARGUMENT',
      );
    },
  );

  it('stands in the event log with its user, address and program', async () => {
    await bench.east.call('pool.create', { name: 'POOL9', vault: 'VAULT00' });
    await bench.finish(
      bench.east.server.operations.callAs(principal(ALL_RIGHTS), 'tape.create', {
        name: 'TAPE77',
        pool: 'POOL9',
      }),
    );
    const rows = (await bench.east.call('events.list')) as readonly object[];
    expect(rows.at(-1)).toMatchObject({
      messageId: '221101',
      user: 'mary',
      address: '192.0.2.7',
      program: 'API',
    });
  });
});
