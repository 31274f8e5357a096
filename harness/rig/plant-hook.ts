/**
 * `node --import harness/rig/plant-hook.ts`: loads the source with a planted bug in it, the one that
 * CAPSTAN_PLANTED names. Throws where the words that it changes are not there just once.
 */
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { notePlanted } from '../mutants/mutant.ts';
import { SOURCE_MUTANTS } from '../mutants/source-mutants.ts';

const name = process.env['CAPSTAN_PLANTED'];
const mutant = SOURCE_MUTANTS.find((each) => each.name === name);
if (mutant === undefined) throw new Error(`There is no bug ${name} to plant.`);
const { file, from, to } = mutant.patch;
const url = pathToFileURL(join(import.meta.dirname, '../..', file)).href;

registerHooks({
  load(place, context, next) {
    const loaded = next(place, context);
    if (place !== url) return loaded;
    const text = loaded.source ?? '';
    const source = typeof text === 'string' ? text : new TextDecoder().decode(text);
    if (source.split(from).length !== 2) throw new Error(`${file} has no single "${from}".`);
    return { ...loaded, source: source.replace(from, () => to) };
  },
});
notePlanted(mutant.name);
