/** The two servers of a data centre for Instant DR, where they are, and the zone whose wall clock its schedules go by. */

export type Side = 'east' | 'west';

export const other = (side: Side): Side => (side === 'east' ? 'west' : 'east');

export const ZONE = 'Europe/Berlin';

export const PORT = 2201;

export const ADDRESSES: Readonly<Record<Side, string>> = { east: '10.0.0.1', west: '10.0.0.2' };
export const POOLS: Readonly<Record<Side, string>> = { east: 'BACKUP', west: 'DR' };

/** A server as the other one's copies reach it. */
export const targetAt = (server: Side) =>
  ({
    server,
    address: ADDRESSES[server],
    port: PORT,
    user: 'capstan',
    hostKey: 'SHA256:simulated',
    transport: 'ssh2',
  }) as const;
