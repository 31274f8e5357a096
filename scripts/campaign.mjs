/**
 * `npm run campaign -- NAME [options]`: long runs that are no part of `npm test`. A campaign is a
 * file scripts/campaigns/NAME.mjs; what follows the name is its own.
 */
import { readdirSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { $ } from 'zx';

const FOLDER = join(import.meta.dirname, 'campaigns');
const names = existsSync(FOLDER)
  ? readdirSync(FOLDER)
      .filter((file) => /\.(mjs|ts)$/.test(file))
      .toSorted()
  : [];
const [name, ...options] = process.argv.slice(2);
const file = names.find((candidate) => candidate.replace(/\.(mjs|ts)$/, '') === name);
if (file === undefined) {
  const known = names.map((each) => each.replace(/\.(mjs|ts)$/, '')).join(', ') || 'none yet';
  console.error(`Usage: npm run campaign -- NAME [options]; campaigns: ${known}.`);
  process.exitCode = 2;
} else {
  const { exitCode } = await $({
    nothrow: true,
    stdio: 'inherit',
  })`${process.execPath} ${join(FOLDER, file)} ${options}`;
  process.exitCode = exitCode ?? 1;
}
