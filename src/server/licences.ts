/**
 * Licences: which of the optional features a server may use.
 *
 * Every server has the laboratory licence, which is part of the program and carries every feature
 * without a limit of time.
 */
import { CapstanError } from '../base/errors.ts';

/** What needs a licence, by the name that keys carry. */
export const FEATURES = {
  autocopy: 'AutoCopy',
  'instant-dr': 'Instant DR',
  encryption: 'Data Encryption',
  migration: 'Migration',
  'export-capacity': 'Stacked export',
} as const satisfies Record<string, string>;

export type Feature = keyof typeof FEATURES;

/** The features of the laboratory licence. */
const LABORATORY_FEATURES: ReadonlySet<Feature> = new Set(Object.keys(FEATURES) as Feature[]);

export class Licences {
  readonly #features: ReadonlySet<Feature>;

  /** `laboratoryFeatures` is what the laboratory licence carries; all of them unless a test says otherwise. */
  constructor(laboratoryFeatures: ReadonlySet<Feature> = LABORATORY_FEATURES) {
    this.#features = laboratoryFeatures;
  }

  /** Rejects LICENCE_MISSING, with the remedy, where no licence carries the feature now. */
  async require(feature: Feature): Promise<void> {
    if (this.#features.has(feature)) return;
    throw new CapstanError('LICENCE_MISSING', { feature: FEATURES[feature] });
  }
}
