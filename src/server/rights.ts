/**
 * The rights of an operator by the manual's names, and the three fixed groups with what each may do.
 *
 * Every operation (src/server/operations/) names the one right that it needs; who calls it without is
 * refused before it runs. docs/reference/rights.md explains each; a test compares.
 *
 * @source VTS 8.0 Configuration Guide p. 120 and 6.04.03 Operations Guide p. 29-30 and 43.
 */

/** The name of each right as the manual and the console print it. */
export const RIGHTS = {
  'virtual-tape-operations': 'Virtual Tape Operations',
  'scan-and-cleanup': 'Scan and Cleanup Control Panel',
  'cartridge-maintenance': 'Virtual Tape Cartridge Maintenance',
  'delete-cartridges': 'Delete Cartridges',
  'import-and-export': 'Virtual Tape Import and Export',
  'instant-dr': 'Virtual Tape Instant DR',
  'mounts-and-locks': 'Virtual Tape Mounts and Locks',
  'pool-maintenance': 'Virtual Tape Pool Maintenance',
  'erase-cartridges': 'Erase Cartridges',
  'hsm-migration': 'HSM Migration',
  'mount-cartridges': 'Mount Cartridges',
  'unmount-cartridges': 'Unmount Cartridges',
  'view-system-status': 'View System Status',
  'change-refresh-rate': 'Change Refresh Rate',
  'stop-and-start': 'Stop and Start TapeServer',
  'vault-access': 'Vault Access',
  'access-to-all-vaults': 'Access to All Vaults',
  'system-access-controls': 'System Access Controls',
  'user-access-controls': 'User Access Controls',
  'block-and-unblock': 'Block and Unblock TapeServer',
  'database-download': 'Database Download',
  'database-upload': 'Database Upload',
  'edit-configuration-file': 'Edit Configuration File',
  'halt-and-reboot': 'Halt and Reboot TapeServer',
  'system-maintenance': 'System Maintenance Functions',
  'system-upgrade': 'System Upgrade/Update',
  compression: 'Turn Compression On or Off',
  'upload-vpd': 'Upload VPD',
  'view-log-files': 'View log files',
  'view-configuration': 'View Configuration',
  'manage-configuration': 'Manage Configuration',
  'server-certificate': 'Server Certificate Maintenance',
  // Ours: without it nobody could change his own password.
  'own-account': 'Own Account',
} as const satisfies Record<string, string>;

export type Right = keyof typeof RIGHTS;

export const ALL_RIGHTS = Object.keys(RIGHTS) as readonly Right[];

/** The groups are fixed; a user is in one of them. */
export const GROUPS = ['Administration', 'Operations', 'Supervisor'] as const;
export type Group = (typeof GROUPS)[number];

/** Day-to-day work with tapes: nothing that is lost with one click, nothing that changes the server. */
const OPERATIONS_RIGHTS = [
  'virtual-tape-operations',
  'cartridge-maintenance',
  'mounts-and-locks',
  'mount-cartridges',
  'unmount-cartridges',
  'instant-dr',
  'import-and-export',
  'view-system-status',
  'change-refresh-rate',
  'view-log-files',
  'view-configuration',
  'vault-access',
  'access-to-all-vaults',
  'own-account',
] as const satisfies readonly Right[];

/**
 * What each group may do on a closed system; on an open one every group may do everything. The manuals
 * name the groups and the rights and not which has which: this table is ours.
 */
export const CLOSED_RIGHTS: Readonly<Record<Group, readonly Right[]>> = {
  Administration: ALL_RIGHTS,
  Operations: OPERATIONS_RIGHTS,
  // Service of the machine, by who is not to make users or to hand out rights.
  Supervisor: ALL_RIGHTS.filter(
    (right) => right !== 'system-access-controls' && right !== 'user-access-controls',
  ),
};

/** The right of that key or of that name in the manual; undefined where there is none. */
export function rightNamed(text: string): Right | undefined {
  const wanted = text.trim().toLowerCase();
  return ALL_RIGHTS.find((right) => right === wanted || RIGHTS[right].toLowerCase() === wanted);
}
