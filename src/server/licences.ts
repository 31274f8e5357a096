/**
 * Licences: which of the optional features a server may use, and until when.
 *
 * The laboratory licence is part of the program and counts until it is taken away. Others are keys that were
 * added. The catalog remembers the latest time at which each was seen, so that a clock which is set back
 * makes no licence valid again, and remembers those that were taken away.
 */
import { formatTimestamp } from '../base/civil-time.ts';
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { MINUTE_MS } from '../base/units.ts';
import type { LicenceRow } from '../ports/catalog-licences.ts';
import type { Catalog } from '../ports/catalog.ts';
import type { Cancel, Clock } from '../ports/clock.ts';
import type { Cryptography } from '../ports/cryptography.ts';
import { Sequence } from './context.ts';
import type { EventLog } from './event-log.ts';
import {
  FEATURES,
  LABORATORY,
  LABORATORY_LICENCE,
  LICENCE_PUBLIC_KEYS,
  readLicenceKey,
} from './licence-keys.ts';
import type { Feature, Licence } from './licence-keys.ts';

/** Licences of one server, those that were taken away among them. */
export const LICENCE_COUNT_MAX = 100;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** How exactly the latest time is kept. */
const LATEST_RESOLUTION_MS = 60 * MINUTE_MS;
/** How far a clock may go back before it is told. */
const CLOCK_TOLERANCE_MS = DAY_MS;
/** How many days before the end it is told. */
const WARNING_DAYS: readonly number[] = [30, 14, 7, 3, 2, 1];

export type LicenceState = 'valid' | 'expired' | 'for another server' | 'not readable';

/** A licence as an operator sees it. */
export interface LicenceView {
  readonly number: string;
  readonly state: LicenceState;
  readonly holder: string;
  readonly features: readonly Feature[];
  readonly capacityBytes: number | undefined;
  readonly server: string;
  readonly addedAtMs: number | undefined;
  readonly expiresAtMs: number | undefined;
}

interface LicencesOptions {
  readonly ports: {
    readonly catalog: Pick<Catalog, 'listLicences' | 'putLicence'>;
    readonly clock: Clock;
    readonly cryptography: Cryptography;
  };
  readonly serverName: string;
  readonly eventLog: EventLog;
  readonly background: (what: string, work: () => Promise<void>) => void;
  /** Whose signatures count; those of the program unless a test brings its own. */
  readonly publicKeys?: readonly string[] | undefined;
}

/** A licence with its row in the catalog; the laboratory's has none before it was taken away once. */
interface Held {
  readonly licence: Licence;
  readonly row: LicenceRow | undefined;
  readonly state: LicenceState;
}

export class Licences {
  readonly #options: LicencesOptions;
  /** Changes of rows, one after the other. */
  readonly #changes = new Sequence();
  readonly #clockTold = new Set<string>();
  #timer: Cancel = () => {};

  constructor(options: LicencesOptions) {
    this.#options = options;
  }

  /** Looks once a day, as long as there is a licence that ends, and tells when one is about to. */
  async start(): Promise<void> {
    this.#timer();
    const dated = (await this.#held()).filter(
      ({ licence, state }) => licence.expiresAtMs !== undefined && state !== 'expired',
    );
    for (const { licence } of dated) await this.#warn(licence);
    if (dated.length > 0) this.#lookIn(DAY_MS);
  }

  #lookIn(delayMs: number): void {
    this.#timer = this.#options.ports.clock.after(delayMs, () => {
      // Whatever comes of it: the catalog may be well again tomorrow.
      this.#lookIn(DAY_MS);
      this.#options.background('look for licences that end', () => this.start());
    });
  }

  stop(): void {
    this.#timer();
  }

  /** Rejects LICENCE_MISSING, with the remedy, where no licence carries the feature now. */
  async require(feature: Feature): Promise<void> {
    if ((await this.#carrying(feature)).length > 0) return;
    throw new CapstanError('LICENCE_MISSING', { feature: FEATURES[feature] });
  }

  /** How much may be exported, by all licences together. */
  async exportCapacityBytes(): Promise<number> {
    const carrying = await this.#carrying('export-capacity');
    return carrying.reduce((sum, { licence }) => sum + (licence.capacityBytes ?? 0), 0);
  }

  async list(): Promise<readonly LicenceView[]> {
    return (await this.#held()).map(({ licence, row, state }) => ({
      number: licence.number,
      state,
      holder: licence.holder,
      features: licence.features,
      capacityBytes: licence.capacityBytes,
      server: licence.server ?? 'any',
      addedAtMs: row?.addedAtMs,
      expiresAtMs: licence.expiresAtMs,
    }));
  }

  /**
   * Adds a key, or takes the laboratory licence back. Rejects INVALID_ARGUMENT for a key that is not
   * genuine, for another server, or over; LIMIT_EXCEEDED.
   */
  async add(key: string, eventLog: EventLog): Promise<LicenceView> {
    const { ports, serverName } = this.#options;
    const licence = key.trim() === LABORATORY ? LABORATORY_LICENCE : this.#read(key);
    await this.#changes.run(async () => {
      const rows = await ports.catalog.listLicences();
      const present = rows.find((row) => row.number === licence.number);
      const now = ports.clock.nowMs();
      const latestMs = Math.max(now, present?.latestMs ?? 0);
      const state = stateOf(licence, latestMs, serverName);
      if (state !== 'valid') throw refusal(licence, state);
      if (present === undefined && rows.length >= LICENCE_COUNT_MAX) {
        throw new CapstanError('LIMIT_EXCEEDED', {
          what: 'The number of licences',
          value: rows.length + 1,
          limit: LICENCE_COUNT_MAX,
        });
      }
      await ports.catalog.putLicence({
        number: licence.number,
        key: licence.number === LABORATORY ? '' : key.replaceAll(/\s/g, ''),
        addedAtMs: now,
        removedAtMs: undefined,
        latestMs,
        expiryTold: false,
      });
    });
    const features = licence.features.map((feature) => FEATURES[feature]).join(', ');
    await eventLog.log('LICENCE_ADDED', { number: licence.number, features });
    await this.start();
    return this.#view(licence.number);
  }

  /** Takes a licence away; what needs it stops at its next turn. Rejects NOT_FOUND. */
  async remove(number: string, eventLog: EventLog): Promise<{ readonly number: string }> {
    const { catalog, clock } = this.#options.ports;
    await this.#changes.run(async () => {
      const held = (await this.#held()).find(({ licence }) => licence.number === number);
      if (held === undefined)
        throw new CapstanError('NOT_FOUND', { kind: 'licence', name: number });
      const now = clock.nowMs();
      await catalog.putLicence({
        number,
        key: held.row?.key ?? '',
        addedAtMs: held.row?.addedAtMs ?? now,
        removedAtMs: now,
        latestMs: Math.max(now, held.row?.latestMs ?? 0),
        expiryTold: held.row?.expiryTold ?? false,
      });
    });
    await eventLog.log('LICENCE_REMOVED', { number });
    return { number };
  }

  async #view(number: string): Promise<LicenceView> {
    const view = (await this.list()).find((each) => each.number === number);
    if (view === undefined) throw new CapstanError('NOT_FOUND', { kind: 'licence', name: number });
    return view;
  }

  async #carrying(feature: Feature): Promise<readonly Held[]> {
    return (await this.#held()).filter(
      ({ licence, state }) => state === 'valid' && licence.features.includes(feature),
    );
  }

  /** All licences that were not taken away, the laboratory's first. */
  async #held(): Promise<readonly Held[]> {
    const { ports, serverName } = this.#options;
    const rows = await ports.catalog.listLicences();
    const laboratory = rows.find((row) => row.number === LABORATORY);
    const held: Held[] =
      laboratory?.removedAtMs === undefined
        ? [{ licence: LABORATORY_LICENCE, row: laboratory, state: 'valid' }]
        : [];
    for (const row of rows) {
      if (row.number === LABORATORY || row.removedAtMs !== undefined) continue;
      const licence = this.#readAgain(row);
      if (licence === undefined) {
        held.push({ licence: unreadable(row), row, state: 'not readable' });
        continue;
      }
      const seen = licence.expiresAtMs === undefined ? row : await this.#see(row, licence);
      const latestMs = Math.max(ports.clock.nowMs(), seen.latestMs);
      held.push({ licence, row: seen, state: stateOf(licence, latestMs, serverName) });
    }
    return held;
  }

  /** Keeps how late it is, and tells that the licence has ended or that the clock went back. */
  async #see(row: LicenceRow, licence: Licence): Promise<LicenceRow> {
    const { ports, serverName, eventLog } = this.#options;
    const now = ports.clock.nowMs();
    const { number } = row;
    if (now < row.latestMs - CLOCK_TOLERANCE_MS && !this.#clockTold.has(number)) {
      this.#clockTold.add(number);
      const latest = formatTimestamp(row.latestMs);
      await eventLog.log('LICENCE_CLOCK_BACK', { number, latest });
    }
    const latestMs = Math.max(now, row.latestMs);
    const hasEnded = stateOf(licence, latestMs, serverName) === 'expired';
    const tells = hasEnded && !row.expiryTold;
    if (!tells && latestMs - row.latestMs < LATEST_RESOLUTION_MS) return row;
    const seen = { ...row, latestMs, expiryTold: row.expiryTold || hasEnded };
    await ports.catalog.putLicence(seen);
    if (tells) await eventLog.log('LICENCE_EXPIRED', { number });
    return seen;
  }

  async #warn({ number, expiresAtMs }: Licence): Promise<void> {
    if (expiresAtMs === undefined) return;
    const days = Math.ceil((expiresAtMs - this.#options.ports.clock.nowMs()) / DAY_MS);
    if (!WARNING_DAYS.includes(days)) return;
    await this.#options.eventLog.log('LICENCE_ENDS_SOON', { number, days });
  }

  #read(key: string): Licence {
    const { ports, publicKeys } = this.#options;
    return readLicenceKey(key, ports.cryptography, publicKeys ?? LICENCE_PUBLIC_KEYS);
  }

  /** Undefined for a key that was genuine once, as for one whose signer counts no more. */
  #readAgain(row: LicenceRow): Licence | undefined {
    try {
      const licence = this.#read(row.key);
      return licence.number === row.number ? licence : undefined;
    } catch (error) {
      if (isCapstanError(error, 'INVALID_ARGUMENT')) return undefined;
      throw error;
    }
  }
}

function stateOf(licence: Licence, nowMs: number, serverName: string): LicenceState {
  if (licence.server !== undefined && licence.server !== serverName) return 'for another server';
  return licence.expiresAtMs !== undefined && nowMs >= licence.expiresAtMs ? 'expired' : 'valid';
}

function unreadable(row: LicenceRow): Licence {
  return {
    number: row.number,
    holder: '',
    features: [],
    capacityBytes: undefined,
    server: undefined,
    issuedAtMs: undefined,
    expiresAtMs: undefined,
  };
}

function refusal(licence: Licence, state: LicenceState): CapstanError {
  const reason =
    state === 'expired'
      ? `it ended at ${formatTimestamp(licence.expiresAtMs ?? 0)} UTC, or the clock was there already`
      : `it is for the server ${licence.server ?? ''}`;
  return new CapstanError('INVALID_ARGUMENT', { what: `The licence ${licence.number}`, reason });
}
