/**
 * `npm run build`: compiles what the package ships to dist/, JavaScript and declarations: the command,
 * the entry points of package.json's `exports`, and what they reach.
 */
import { chmod, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { $ } from 'zx';

const ROOT = join(import.meta.dirname, '..');
const COMMAND = join(ROOT, 'dist/bin/capstan.js');

await rm(join(ROOT, 'dist'), { recursive: true, force: true });
await $({ cwd: ROOT, preferLocal: true, verbose: true })`tsc -p tsconfig.build.json`;
const text = await readFile(COMMAND, 'utf8');
if (!text.startsWith('#!/usr/bin/env node\n')) {
  throw new Error('bin/capstan.ts must begin with #!/usr/bin/env node: it is run by its name.');
}
await chmod(COMMAND, 0o755);
