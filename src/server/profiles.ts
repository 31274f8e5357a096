/**
 * Profiles: what differs between the versions of the Virtual TapeServer, as one table.
 *
 * A server behaves as the version that `profile` of capstan.json names; code asks this table and never
 * compares versions. docs/reference/profiles.md explains every line with its source; a test compares.
 */
import type { PolicyGrammar } from '../ems/vtspolicy.ts';

/** Versions whose manuals tell enough to be told apart. */
export const PROFILE_NAMES = ['6.04.01', '6.04.05', '8.2', '8.3'] as const;
export type ProfileName = (typeof PROFILE_NAMES)[number];

export const PROFILE_DEFAULT: ProfileName = '8.3';

export interface Profile {
  readonly name: ProfileName;
  /**
   * Which backup management application's recalls a mount waits for, where the tape was migrated and
   * erased: with any other the request fails. @source excerpts 4 and 5; V82c p. 85
   */
  readonly recallQueue: 'any application' | 'Tivoli Storage Manager only';
  /** What a tape's name is unique in, by the manual. @source V82s p. 27, V83s p. 33 */
  readonly namesUniqueIn: 'a pool' | 'all vaults and pools';
  /** Whether a migration takes the data away itself. @source 6.04.04 as against V6405s p. 19 */
  readonly migrationRemovesData: boolean;
  /** What a new server's access control starts with. @source V6403oa p. 29, V82c p. 109 */
  readonly accessDefaults: 'open' | 'closed';
  /** Whether event-log lines have the program's field. @source V6402oa p. 138 */
  readonly logHasProgram: boolean;
  /** Whether `cleanup_enable` turns cleaning up on and off; before, it is always on. @source V6403oa */
  readonly cleanupCanBeDisabled: boolean;
  /** Which form of VTSPolicy's commands. @source V6341ia p. 93, V6404oa p. 52 and 97, V82c p. 85 */
  readonly policyGrammar: PolicyGrammar;
  /** What the product calls the encryption of tapes. @source V6403oa p. 81, V84c p. 96 */
  readonly encryptionName: 'SecureVTS' | 'Data Encryption';
}

const VERSION_6: Omit<
  Profile,
  'name' | 'migrationRemovesData' | 'logHasProgram' | 'cleanupCanBeDisabled' | 'policyGrammar'
> = {
  recallQueue: 'any application',
  namesUniqueIn: 'a pool',
  accessDefaults: 'open',
  encryptionName: 'SecureVTS',
};

const VERSION_8: Omit<Profile, 'name'> = {
  recallQueue: 'Tivoli Storage Manager only',
  namesUniqueIn: 'all vaults and pools',
  migrationRemovesData: false,
  accessDefaults: 'closed',
  logHasProgram: true,
  cleanupCanBeDisabled: true,
  policyGrammar: '6.04.04',
  encryptionName: 'Data Encryption',
};

export const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  '6.04.01': {
    ...VERSION_6,
    name: '6.04.01',
    migrationRemovesData: true,
    logHasProgram: false,
    cleanupCanBeDisabled: false,
    policyGrammar: '6.03.41',
  },
  '6.04.05': {
    ...VERSION_6,
    name: '6.04.05',
    migrationRemovesData: false,
    logHasProgram: true,
    cleanupCanBeDisabled: true,
    policyGrammar: '6.04.04',
  },
  '8.2': { ...VERSION_8, name: '8.2' },
  '8.3': { ...VERSION_8, name: '8.3' },
};
