/** How a job on the simulated host fails. */

export type HostErrorCode =
  /** The request was not satisfied in its time and is cancelled. */
  | 'MOUNT_CANCELLED'
  /** The operator rejected the request: file-system error 194. */
  | 'MOUNT_REJECTED'
  /** The processor that the job ran in has failed. */
  | 'CPU_FAILED'
  /** The host was loaded anew. */
  | 'HOST_FAILED'
  /** The drive did not do what it was asked. */
  | 'TAPE_TROUBLE'
  /** The tape holds something else than its labels say. */
  | 'LABEL_MISMATCH';

/** What an application is told where the operator rejects its mount. @source EMP p. 247 */
const FILE_SYSTEM_ERRORS: Partial<Record<HostErrorCode, number>> = { MOUNT_REJECTED: 194 };

export class HostError extends Error {
  override readonly name = 'HostError';
  readonly code: HostErrorCode;
  /** The file system's error number, where the application sees one. */
  readonly fileSystemError: number | undefined;

  constructor(code: HostErrorCode, message: string) {
    super(message);
    this.code = code;
    this.fileSystemError = FILE_SYSTEM_ERRORS[code];
  }
}
