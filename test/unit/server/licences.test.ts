import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { issueLicence } from '../../../scripts/issue-licence.mjs';
import { assert } from '../../../src/base/assert.ts';
import type { CapstanError } from '../../../src/base/errors.ts';
import { openCatalog } from '../../../src/catalog/sqlite-catalog.ts';
import { systemCryptography } from '../../../src/platform/system-cryptography.ts';
import type { Catalog } from '../../../src/ports/catalog.ts';
import { EventLog } from '../../../src/server/event-log.ts';
import {
  ALL_FEATURES,
  LABORATORY,
  LICENCE_PUBLIC_KEYS,
  readLicenceKey,
} from '../../../src/server/licence-keys.ts';
import { Licences } from '../../../src/server/licences.ts';

const PEM = readFileSync('fixtures/licences/laboratory-key.pem', 'utf8');
const PUBLIC_KEY = '5ac0981b855806cc1209729c9efe01fd8862eaa7109fa6f3822328e491285f87';
const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2026, 0, 10, 12);
const FIELDS = { number: 'L1', holder: 'Example', features: ['autocopy'], issued: '2026-01-01' };

let catalog: Catalog;
let nowMs: number;
let timers: { atMs: number; callback: () => void }[];
let licences: Licences;
let log: EventLog;

beforeEach(() => {
  catalog = openCatalog(':memory:');
  nowMs = START_MS;
  licences = restart();
});

/** The server's licences, as a new process finds them. */
function restart(serverName = 'east'): Licences {
  timers = [];
  const clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    after: (delayMs: number, callback: () => void) => {
      const timer = { atMs: nowMs + delayMs, callback };
      timers.push(timer);
      return () => {
        timers = timers.filter((each) => each !== timer);
      };
    },
  };
  log = new EventLog({ catalog, clock, settings: { address: '127.0.0.1' } });
  return new Licences({
    ports: { catalog, clock, cryptography: systemCryptography },
    serverName,
    eventLog: log,
    background: (_, work) => void work(),
    publicKeys: [PUBLIC_KEY],
  });
}

const key = (fields: object = {}): string => issueLicence(PEM, { ...FIELDS, ...fields });
const add = (text: string): Promise<unknown> => licences.add(text, log);
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (error: CapstanError) => error.code,
  );
const has = async (feature: 'autocopy' | 'instant-dr'): Promise<boolean> =>
  (await codeOf(licences.require(feature))) === 'done';
const events = async (messageId: string): Promise<readonly string[]> =>
  (await catalog.listEvents({ limit: 1000 }))
    .filter((row) => row.messageId === messageId)
    .map(({ text }) => text);

describe('the laboratory licence', () => {
  it('carries every feature from the beginning, without an end', async () => {
    nowMs += 100 * 365 * DAY_MS;
    for (const feature of ALL_FEATURES) await licences.require(feature);
    expect(await licences.list()).toMatchObject([
      { number: LABORATORY, state: 'valid', server: 'any' },
    ]);
    expect(await licences.exportCapacityBytes()).toBe(10 * 1024 ** 4);
  });

  it('can be taken away, stays away, and comes back by its name', async () => {
    await licences.remove(LABORATORY, log);
    licences = restart();
    await expect(licences.require('autocopy')).rejects.toThrow(
      'AutoCopy needs a licence that this server does not have; `capstan licence add` takes one.',
    );
    await add(LABORATORY);
    expect(await has('autocopy')).toBe(true);
  });

  it('is nothing that a key may call itself', () => {
    expect(() => key({ number: LABORATORY })).toThrow('the number of the one in the program');
  });
});

describe('a licence key', () => {
  beforeEach(() => licences.remove(LABORATORY, log));

  it('carries its features and no others, on any server or on its own', async () => {
    expect(await add(key())).toMatchObject({ number: 'L1', state: 'valid', server: 'any' });
    expect(await has('autocopy')).toBe(true);
    expect(await has('instant-dr')).toBe(false);
    await add(key({ number: 'L2', features: ['instant-dr'], server: 'east' }));
    expect(await has('instant-dr')).toBe(true);
    expect(await codeOf(add(key({ number: 'L3', server: 'west' })))).toBe('INVALID_ARGUMENT');
    licences = restart('west');
    expect(await has('instant-dr')).toBe(false);
    expect(await licences.list()).toMatchObject([
      { number: 'L1', state: 'valid' },
      { number: 'L2', state: 'for another server' },
    ]);
  });

  it('adds up what may be exported', async () => {
    await add(key({ features: ['export-capacity'], capacityBytes: 1000 }));
    await add(key({ number: 'L2', features: ['export-capacity'], capacityBytes: 500 }));
    await add(key({ number: 'L3', features: ['autocopy'], capacityBytes: 7 }));
    expect(await licences.exportCapacityBytes()).toBe(1500);
  });

  it('holds to the end of its last day, and its end is told once', async () => {
    await add(key({ expires: '2026-01-12' }));
    nowMs = Date.UTC(2026, 0, 13) - 1;
    expect(await has('autocopy')).toBe(true);
    nowMs += 1;
    expect(await has('autocopy')).toBe(false);
    expect(await has('autocopy')).toBe(false);
    expect(await events('641104')).toEqual(['Licence L1 has ended']);
    expect(await codeOf(add(key({ number: 'L2', expires: '2026-01-12' })))).toBe(
      'INVALID_ARGUMENT',
    );
  });

  it('that has ended does not come back where the clock is set back, nor by adding it again', async () => {
    const text = key({ expires: '2026-01-12' });
    await add(text);
    nowMs = Date.UTC(2026, 0, 20);
    expect(await has('autocopy')).toBe(false);
    nowMs = START_MS;
    licences = restart();
    expect(await has('autocopy')).toBe(false);
    await licences.remove('L1', log);
    expect(await codeOf(add(text))).toBe('INVALID_ARGUMENT');
    expect(await events('441105')).toEqual([
      'The clock is behind 2026-01-20 00:00:00, when licence L1 was last seen; the later time counts',
    ]);
    // One that was issued anew has not been seen then.
    await add(key({ number: 'L9', expires: '2026-01-12' }));
    expect(await has('autocopy')).toBe(true);
  });

  it('tells before it ends, once a day at most, and only while there is one that ends', async () => {
    await licences.start();
    expect(timers).toHaveLength(0);
    await add(key({ expires: '2026-01-12' }));
    for (let day = 0; day < 4; day += 1) {
      const [timer] = timers;
      if (timer === undefined) break;
      nowMs = timer.atMs;
      timers = timers.filter((each) => each !== timer);
      timer.callback();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(await events('441103')).toEqual([
      'Licence L1 ends in 3 days',
      'Licence L1 ends in 2 days',
      'Licence L1 ends in 1 days',
    ]);
    expect(await events('641104')).toEqual(['Licence L1 has ended']);
    expect(timers).toHaveLength(0);
  });

  it('is taken as mail breaks it, and shown by its number in the log', async () => {
    await add(key().replaceAll(/(.{40})/g, '$1\r\n  '));
    expect(await has('autocopy')).toBe(true);
    expect(await events('241101')).toEqual(['Licence L1 added: AutoCopy']);
  });

  it.each([
    ['', 'it is not CAPSTAN1-'],
    ['CAPSTAN1-e30', 'it is not CAPSTAN1-'],
    ['x'.repeat(5000), 'it has more than 4096 characters'],
  ])('%j is refused with its reason', (text, reason) => {
    expect(() => readLicenceKey(text, systemCryptography, [PUBLIC_KEY])).toThrow(reason);
  });

  it('is refused where another key signed it, and where the program alone is asked', () => {
    const other = generateKeyPairSync('ed25519').privateKey;
    const forged = issueLicence(String(other.export({ format: 'pem', type: 'pkcs8' })), FIELDS);
    const refusal = 'its signature is not that of Capstan';
    expect(() => readLicenceKey(forged, systemCryptography, [PUBLIC_KEY])).toThrow(refusal);
    // The key of the tests is no key of the program.
    expect(() => readLicenceKey(key(), systemCryptography)).toThrow(refusal);
    expect(LICENCE_PUBLIC_KEYS).not.toContain(PUBLIC_KEY);
  });

  it('is refused with one character changed, wherever it is', () => {
    const text = key();
    fc.assert(
      fc.property(
        fc.nat(text.length - 1),
        fc.constantFrom('A', 'B', 'z', '0', '9', '-', '_', '.'),
        (index, character) => {
          fc.pre(text[index] !== character);
          const changed = text.slice(0, index) + character + text.slice(index + 1);
          expect(() => readLicenceKey(changed, systemCryptography, [PUBLIC_KEY])).toThrow(
            'The licence key is refused',
          );
        },
      ),
      { seed: 42, numRuns: 300 },
    );
  });

  it('that was genuine and is not now carries nothing, and can be removed', async () => {
    await add(key());
    const [row] = await catalog.listLicences();
    assert(row !== undefined, 'the key that was added has a row');
    await catalog.putLicence({ ...row, key: 'CAPSTAN1-broken' });
    expect(await has('autocopy')).toBe(false);
    expect(await licences.list()).toMatchObject([{ number: 'L1', state: 'not readable' }]);
    await licences.remove('L1', log);
    expect(await licences.list()).toEqual([]);
    expect(await codeOf(licences.remove('L1', log))).toBe('NOT_FOUND');
  });
});

describe('a planted bug in licences', () => {
  it.each([
    [
      'the latest time is not kept',
      () => {
        const put = catalog.putLicence.bind(catalog);
        catalog.putLicence = (row) => put({ ...row, latestMs: START_MS });
      },
    ],
    [
      'one that was taken away is forgotten',
      () => {
        const list = catalog.listLicences.bind(catalog);
        catalog.listLicences = async () => (await list()).map((row) => ({ ...row, latestMs: 0 }));
      },
    ],
  ])('lets an ended licence revive: %s', async (_, plant) => {
    plant();
    await licences.remove(LABORATORY, log);
    await add(key({ expires: '2026-01-12' }));
    nowMs = Date.UTC(2026, 0, 20);
    expect(await has('autocopy')).toBe(false);
    nowMs = START_MS;
    // What the tests above hold to be impossible: they would fail.
    expect(await has('autocopy')).toBe(true);
  });
});
