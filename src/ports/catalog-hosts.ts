/** What the catalog knows of the tape hosts: how far each one's events have been heard. */

/** Where the next session with a host goes on; key: host. */
export interface EmsPositionRow {
  readonly host: string;
  /** When the last event that was dealt with was generated, in the host's local time. */
  readonly localTimeMs: number;
  /** Its text and those of the same second, and of a later one that came before it: JSON, oldest first. */
  readonly seen: string;
}

export interface HostCatalog {
  /** Replaces the row of the same host. */
  putEmsPosition(position: EmsPositionRow): Promise<void>;
  findEmsPosition(host: string): Promise<EmsPositionRow | undefined>;

  /**
   * Notes of the last mount for this request, open or not, that the host has had the tape, or asks for it
   * no longer; does nothing where there is none.
   */
  acceptMount(host: string, requestNumber: number): Promise<void>;
  /** Whether that was noted. */
  isMountAccepted(mountId: number): Promise<boolean>;
}
