/**
 * `npm run bench -- NAME [options]`: measurements against goals and against other programs. A
 * benchmark is a file bench/NAME.ts; what follows the name is its own.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { $ } from 'zx';

const FOLDER = join(import.meta.dirname, '../bench');
const names = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.replace(/\.ts$/, ''))
  .toSorted();
const [name, ...options] = process.argv.slice(2);
if (name === undefined || !names.includes(name)) {
  console.error(`Usage: npm run bench -- NAME [options]; benchmarks: ${names.join(', ')}.`);
  process.exitCode = 2;
} else {
  const { exitCode } = await $({
    nothrow: true,
    stdio: 'inherit',
  })`${process.execPath} ${join(FOLDER, `${name}.ts`)} ${options}`;
  process.exitCode = exitCode ?? 1;
}
