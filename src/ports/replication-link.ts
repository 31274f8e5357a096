/** How a server reaches another one's replication receiver: a stream over SSH. */
import type { CopyTarget } from './catalog.ts';
import type { DuplexStream } from './network.ts';

/** What is reached there: the receiver of copies, or the communication between servers of shared vaults. */
export type LinkService = 'replication' | 'isc';

/** A stream to a receiver, and more of them. */
export interface ReplicationStream extends DuplexStream {
  /**
   * Another stream to the same receiver, with a window of its own: over the same connection where the
   * transport can. Rejects as {@link ReplicationLink.connect}. Missing where there can be one only.
   */
  readonly another?: () => Promise<DuplexStream>;
}

export interface ReplicationLink {
  /**
   * Opens a subsystem of `target`, that of replication where none is named. Rejects CONNECTION_REFUSED, AUTHENTICATION_FAILED or
   * HOST_KEY_MISMATCH. A silent connection is ended within the keep-alive time (CONNECTION_LOST).
   */
  connect(target: CopyTarget, service?: LinkService): Promise<ReplicationStream>;
}
