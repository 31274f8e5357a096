/** How a server reaches another one's replication receiver: a stream over SSH. */
import type { CopyTarget } from './catalog.ts';
import type { DuplexStream } from './network.ts';

export interface ReplicationLink {
  /**
   * Opens the replication subsystem of `target`. Rejects CONNECTION_REFUSED, AUTHENTICATION_FAILED or
   * HOST_KEY_MISMATCH. A silent connection is ended within the keep-alive time (CONNECTION_LOST).
   */
  connect(target: CopyTarget): Promise<DuplexStream>;
}
