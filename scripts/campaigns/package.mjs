/**
 * `npm run campaign -- package`: packs the package, installs it into an empty folder with its native
 * module built there, runs the command and opens a store through the public entry point.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withDir } from 'tmp-promise';
import { $ } from 'zx';

const ROOT = join(import.meta.dirname, '../..');
const SCRIPT = `
  import { openEngine } from 'capstan/engine';
  const engine = await openEngine('store');
  console.log(await engine.statistics());
  await engine.close();
`;

await withDir(
  async ({ path }) => {
    const inFolder = $({ cwd: path, verbose: true });
    await $({ cwd: ROOT, quiet: true })`npm pack --silent --pack-destination ${path}`;
    await writeFile(join(path, 'package.json'), '{ "private": true, "type": "module" }');
    const tarball = (await $({ cwd: path, quiet: true })`ls`).stdout.match(
      /^capstan-.*\.tgz$/m,
    )?.[0];
    // npm 11 asks for approval of install scripts; older ones do not know the option and run them.
    await inFolder`npm install --dangerously-allow-all-scripts --no-audit --no-fund ./${tarball}`;
    await inFolder`npx --no-install capstan --help`;
    await inFolder`${process.execPath} --input-type=module --eval ${SCRIPT}`;
  },
  { unsafeCleanup: true },
);
