/**
 * Which classes of faults a run may have: the first value that is drawn of each case ("swarm testing").
 *
 * Runs that have some faults and lack others reach states that a run with all of them never does: a
 * queue fills up only where nothing crashes, a long copy ends only where nothing is cut.
 */
import fc from 'fast-check';
import type { Leftovers } from '../world/simulated-vault.ts';

export interface FaultProfile {
  /** Chance inside the world: what a power cut leaves, which bytes a backup has. */
  readonly worldSeed: number;
  /** The wire between the servers goes down, is cut, stalls. */
  readonly network: boolean;
  /** Bytes change beneath the authentication code of SSH. */
  readonly corruption: boolean;
  /** Server processes are killed between commands. */
  readonly crashes: boolean;
  /** Server processes are killed inside disk and catalog operations. */
  readonly crashesInside: boolean;
  /** What is killed loses what it did not sync. */
  readonly powerCuts: boolean;
  readonly leftovers: Leftovers;
  /** A sync now and then takes minutes. */
  readonly slowDisk: boolean;
  /** Copies of earlier versions come late, from a second sender. */
  readonly lateCopies: boolean;
  /** SSH's keep-alive is on; else a silent connection is the protocol's own business. */
  readonly keepAlive: boolean;
}

/** What every world of two servers has. */
export type CommonProfile = Pick<FaultProfile, 'worldSeed' | 'leftovers' | 'keepAlive'>;

export const leftovers: fc.Arbitrary<Leftovers> = fc.constantFrom('ordered', 'ext4', 'any');

/** Where a process may be killed inside: drawn for the commands that do so. */
export const CRASH_POINTS = {
  place: fc.constantFrom('disk', 'catalog'),
  after: fc.nat({ max: 30 }),
  powerCut: fc.boolean(),
} as const;

export const COMMON_PROFILE = { worldSeed: fc.nat(), leftovers, keepAlive: fc.boolean() } as const;

export const faultProfile: fc.Arbitrary<FaultProfile> = fc.record({
  worldSeed: fc.nat(),
  network: fc.boolean(),
  corruption: fc.boolean(),
  crashes: fc.boolean(),
  crashesInside: fc.boolean(),
  powerCuts: fc.boolean(),
  leftovers,
  slowDisk: fc.boolean(),
  lateCopies: fc.boolean(),
  keepAlive: fc.boolean(),
});
