/**
 * How much a peer may send over an SSH channel of ours before it hears from us.
 *
 * ssh2 1.17.0 has a window of 2 MiB, which cannot be set, and grants more only once half of it is used up: what the
 * last packet goes beyond the half is lost to the next round trip, so that in practice 1 MiB goes in each (2.6 MB/s
 * over 400 ms, measured). Here what was read is granted again at once, of a window of any size, and who sends more
 * than was granted is dropped. The fields are ssh2's own and not in its types; its version is pinned.
 */
import type { ServerChannel } from 'ssh2';

interface Windowed {
  /** What the peer may still send, as ssh2 counts it. */
  readonly incoming: { window: number };
  readonly outgoing: { readonly id: number; readonly state: string };
  readonly _client: {
    readonly _protocol: { channelWindowAdjust(channel: number, bytes: number): void };
  };
}

/** A window is opened again by no less than this share of it. */
const GRANT_SHARE_MIN = 1 / 8;
/** A window that ssh2 never finds used up, so that it grants nothing by itself; it only counts down. */
const COUNTER_START = 2 ** 52;

export interface WindowOptions {
  /** What the peer may have sent that nobody has taken. */
  readonly windowBytes: number;
  /** The peer has sent more than it may. */
  readonly onOverrun: () => void;
}

/** From now on the channel's window is kept here. What is returned is told how many bytes wait, whenever that changes. */
export function keepWindow(
  channel: ServerChannel,
  { windowBytes, onOverrun }: WindowOptions,
): (waitingBytes: number) => void {
  const {
    incoming,
    outgoing,
    _client: { _protocol: protocol },
  } = channel as unknown as Windowed;
  let grantedBytes = incoming.window;
  incoming.window = COUNTER_START;
  const grant = (waitingBytes: number): void => {
    const receivedBytes = COUNTER_START - incoming.window;
    if (receivedBytes > grantedBytes) {
      onOverrun();
      return;
    }
    const bytes = receivedBytes + windowBytes - waitingBytes - grantedBytes;
    if (bytes < GRANT_SHARE_MIN * windowBytes || outgoing.state !== 'open') return;
    grantedBytes += bytes;
    protocol.channelWindowAdjust(outgoing.id, bytes);
  };
  grant(0);
  return grant;
}
