/** How long servers of shared vaults wait for each other. */
import { SECOND_MS } from '../base/units.ts';

export interface IscPolicy {
  /** A session whose other side was not heard for so long is over. */
  readonly silenceMs: number;
  /** From one attempt to connect, or to open a vault, to the next. */
  readonly retryMs: number;
  /** So long behind the end of a session its mounts can go on in the next one. */
  readonly resumeMs: number;
}

export const ISC_POLICY: IscPolicy = {
  silenceMs: 15 * SECOND_MS,
  retryMs: 2 * SECOND_MS,
  resumeMs: 30 * SECOND_MS,
};
