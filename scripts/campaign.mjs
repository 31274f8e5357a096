/**
 * `npm run campaign -- NAME [options]`: long runs that are no part of `npm test`; without a name, lists them. A
 * campaign is a file scripts/campaigns/NAME.mjs that begins with how it is called and a sentence; what follows
 * the name is its own.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { $ } from 'zx';

const FOLDER = join(import.meta.dirname, 'campaigns');
const SYNOPSIS = /^\/\*\*[\s*]*`npm run campaign -- (?<call>[^`]+)`: (?<what>[^.]+)\./;

const campaigns = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.mjs'))
  .toSorted()
  .map((file) => {
    const found = SYNOPSIS.exec(readFileSync(join(FOLDER, file), 'utf8'))?.groups;
    if (found === undefined) throw new Error(`${file} does not begin with how it is called`);
    const what = (found['what'] ?? '').replaceAll(/\s*\n \*\s*/g, ' ');
    return { name: file.slice(0, -'.mjs'.length), call: found['call'] ?? '', what };
  });

const [name, ...options] = process.argv.slice(2);
const isKnown = campaigns.some((campaign) => campaign.name === name);
if (!isKnown || options.includes('--help')) {
  if (!isKnown && name !== undefined) console.error(`There is no campaign "${name}".\n`);
  console.log('npm run campaign -- NAME [options]\n');
  for (const { name: each, call, what } of campaigns) {
    if (!isKnown || each === name) console.log(`  ${call}\n      ${what}.\n`);
  }
  process.exitCode = isKnown || name === undefined ? 0 : 2;
} else {
  const { exitCode } = await $({
    nothrow: true,
    stdio: 'inherit',
  })`${process.execPath} ${join(FOLDER, `${name}.mjs`)} ${options}`;
  process.exitCode = exitCode ?? 1;
}
