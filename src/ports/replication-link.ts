/** How a server reaches another one's replication receiver: a stream over SSH. */
import type { CopyTarget } from './catalog.ts';
import type { DuplexStream } from './network.ts';

/** What is reached there: the receiver of copies, or the communication between servers of shared vaults. */
export type LinkService = 'replication' | 'isc';

export interface ReplicationLink {
  /**
   * Opens a subsystem of `target`, that of replication where none is named. Rejects CONNECTION_REFUSED, AUTHENTICATION_FAILED or
   * HOST_KEY_MISMATCH. A silent connection is ended within the keep-alive time (CONNECTION_LOST).
   */
  connect(target: CopyTarget, service?: LinkService): Promise<DuplexStream>;
}
