/**
 * Which key speaks for which server of shared vaults.
 *
 * Whoever's key is in authorized_keys may open a session; whom it speaks for is bound to the key: when the
 * server is added, or else by the first call in its name. From then on no other key is heard in that name,
 * and the key in no other.
 */
import { CapstanError } from '../base/errors.ts';
import type { PeerRow } from '../ports/catalog-shared.ts';
import type { ServerContext } from './context.ts';

/** Refusals that are told of once each. */
const TOLD_MAX = 100;

export class IscKeys {
  readonly #context: ServerContext;
  readonly #told = new Set<string>();

  constructor(context: ServerContext) {
    this.#context = context;
  }

  /** Lets a key speak for a server, and binds it where it is the first. Rejects PEER_REFUSED. */
  async admit(server: string, key: string): Promise<void> {
    const { eventLog, ports, settings } = this.#context;
    const peers = await ports.catalog.listPeers();
    const peer = peers.find((each) => each.server === server);
    if (peer === undefined) {
      throw refusal(`${server} is not among the servers of ${settings.serverName}`);
    }
    if (peer.clientKey === key) return;
    const reason = reasonAgainst(peer, peers, key);
    if (reason !== undefined) {
      await this.#tell(server, reason);
      throw refusal(reason);
    }
    await ports.catalog.putPeer({ ...peer, clientKey: key });
    await eventLog.log('ISC_KEY_BOUND', { server, key });
  }

  async #tell(server: string, reason: string): Promise<void> {
    if (this.#told.has(reason) || this.#told.size >= TOLD_MAX) return;
    this.#told.add(reason);
    await this.#context.eventLog.log('ISC_KEY_REFUSED', { server, reason });
  }
}

/** The row of a server as it is to be kept; INVALID_ARGUMENT where its key is another server's. */
export function withKey(peer: PeerRow, peers: readonly PeerRow[]): PeerRow {
  const { server, clientKey } = peer;
  // How it is reached may change; it stays who it is.
  if (clientKey === undefined) {
    const known = peers.find((each) => each.server === server)?.clientKey;
    return known === undefined ? peer : { ...peer, clientKey: known };
  }
  const other = peers.find((each) => each.server !== server && each.clientKey === clientKey);
  if (other === undefined) return peer;
  const reason = `it is the key of ${other.server}`;
  throw new CapstanError('INVALID_ARGUMENT', {
    what: `The key ${clientKey} for ${server}`,
    reason,
  });
}

function reasonAgainst(
  { server, clientKey }: PeerRow,
  peers: readonly PeerRow[],
  key: string,
): string | undefined {
  if (clientKey !== undefined)
    return `the key ${key} spoke for ${server}, whose key is ${clientKey}`;
  const owner = peers.find((each) => each.clientKey === key);
  return owner && `the key ${key} spoke for ${server}, and is the key of ${owner.server}`;
}

const refusal = (reason: string): CapstanError =>
  new CapstanError('PEER_REFUSED', { peer: 'The keeper', what: 'hello', reason });
