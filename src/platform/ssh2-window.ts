/**
 * How much a peer may send over an SSH channel of ours before it hears from us.
 *
 * ssh2 1.17.0 has a window of 2 MiB, which cannot be set, and grants more only once half of it is used up: what the
 * last packet goes beyond the half is lost to the next round trip, so that in practice 1 MiB goes in each (2.6 MB/s
 * over 400 ms, measured). Here what was consumed is granted again at once, of a window of any size. The
 * fields are ssh2's own and not in its types; its version is pinned.
 */
import type { ServerChannel } from 'ssh2';

interface Windowed {
  /** What the peer may still send. */
  readonly incoming: { window: number };
  readonly outgoing: { readonly id: number; readonly state: string };
  readonly _client: {
    readonly _protocol: { channelWindowAdjust(channel: number, bytes: number): void };
  };
}

/** A window is opened again by no less than this share of it. */
const GRANT_SHARE_MIN = 1 / 8;

/** From now on the peer may have sent `windowBytes` that nobody has taken. */
export function keepWindow(channel: ServerChannel, windowBytes: number): void {
  const {
    incoming,
    outgoing,
    _client: { _protocol: protocol },
  } = channel as unknown as Windowed;
  const grant = (): void => {
    const bytes = windowBytes - incoming.window;
    if (bytes < GRANT_SHARE_MIN * windowBytes || outgoing.state !== 'open') return;
    incoming.window += bytes;
    protocol.channelWindowAdjust(outgoing.id, bytes);
  };
  grant();
  // Where the stream is paused, nothing comes here.
  channel.on('data', grant);
}
