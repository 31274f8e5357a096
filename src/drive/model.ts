/** What one kind of drive is and can, as data; the models are in models/. */

/** A mode page: its bytes at power on, and which bits MODE SELECT may change. */
export interface ModePageModel {
  readonly name: string;
  /** Whole page with its two bytes of head: page code and the length of the rest. */
  readonly defaults: readonly number[];
  /** The same length; a set bit is changeable. */
  readonly changeable: readonly number[];
}

export interface DriveModel {
  readonly name: string;
  readonly vendor: string;
  readonly product: string;
  readonly revision: string;
  readonly densityCode: number;
  /** Bytes; blocks of any length between the two. */
  readonly blockLengthMin: number;
  readonly blockLengthMax: number;
  /** How far before the end of a partition early warning lies, bytes; at most an eighth of it. */
  readonly earlyWarningBytes: number;
  readonly modePages: readonly ModePageModel[];
}
