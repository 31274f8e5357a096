/** The scenario `full-vault`: a vault's disk fills up in the middle of backups and copies. */
import { FULL_VAULT_MUTANTS } from '../mutants/full-vault-mutants.ts';
import { FULL_VAULT_COMMANDS, FullVault, fullVaultProfile } from '../workload/full-vault.ts';
import { defineScenario } from './scenario.ts';

export const FULL_VAULT = defineScenario({
  name: 'full-vault',
  what: 'A disk fills up in the middle of backups and copies, and is given room by erasing or by a larger one.',
  runsDefault: 500,
  profile: fullVaultProfile,
  commands: FULL_VAULT_COMMANDS,
  commandCountMax: 30,
  start: (options) => FullVault.start(options),
  finish: (scenario) => scenario.finish(),
  outcome: (scenario) => scenario.report(),
  mutants: FULL_VAULT_MUTANTS,
});
