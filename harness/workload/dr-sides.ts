/** The two servers of a data centre for Instant DR, and the zone whose wall clock its schedules go by. */

export type Side = 'east' | 'west';

export const other = (side: Side): Side => (side === 'east' ? 'west' : 'east');

export const ZONE = 'Europe/Berlin';
