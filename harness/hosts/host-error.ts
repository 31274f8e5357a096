/** How a job on the simulated host fails. */

export type HostErrorCode =
  /** The request was not satisfied in its time and is cancelled. */
  | 'MOUNT_CANCELLED'
  /** The drive did not do what it was asked. */
  | 'TAPE_TROUBLE'
  /** The tape holds something else than its labels say. */
  | 'LABEL_MISMATCH';

export class HostError extends Error {
  override readonly name = 'HostError';
  readonly code: HostErrorCode;

  constructor(code: HostErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
