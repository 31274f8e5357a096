/** Who and what is at the sites of the outage campaign. */

export const HOST = { node: '\\LAB', user: 'SUPER.OUT', password: 'outage' } as const;
export const DRIVE = 'VTD01';
export const DEVICE = '$TAPE0';
/** The first is AutoCopy's, the second Instant DR's. */
export const POOLS = ['AUTO', 'INSTANT'] as const;
export const SCHEME = 'NIGHT';
/** Half of them in each pool. */
export const VOLUMES = ['OUT001', 'OUT002', 'OUT003', 'OUT004', 'OUT005', 'OUT006'] as const;
