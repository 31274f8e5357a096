/** What an operator may do with tapes and pools, killed in the middle or not. */
import fc from 'fast-check';
import { count, formsFor, oneOf, optional } from './command-form.ts';
import type { DrawnCommand } from './command-form.ts';
import type { MediaWorld } from './media-world.ts';

const NAMES = ['LAB001', 'LAB002', 'NEW001'] as const;
const POOLS = ['POOL1', 'POOL2', 'FAR'] as const;
const VAULTS = ['VAULT00', 'VAULT01'] as const;
const KINDS = ['user', 'autoload'] as const;

const form = formsFor<MediaWorld>();
const name = oneOf(...NAMES);
const pool = oneOf(...POOLS);
const vault = oneOf(...VAULTS);
/** Calls of ports that are let through before the process is killed. */
const cut = optional(', cut after ', count);

const write = form('write({name}, {byte})', {
  fields: { name, byte: count },
  possible: (media, each) => media.has(each.name),
  perform: (media, each) => media.write(each.name, each.byte),
});

const create = form('tape.create({name}, {pool}{cut})', {
  fields: { name, pool, cut },
  perform: (media, { cut: at, ...parameters }) => media.operate('tape.create', parameters, at),
});

const remove = form('tape.{what}({name}{cut})', {
  fields: { what: oneOf('erase', 'delete'), name, cut },
  perform: (media, each) => media.operate(`tape.${each.what}`, { name: each.name }, each.cut),
});

const rename = form('tape.rename({name}, {newName}{cut})', {
  fields: { name, newName: name, cut },
  perform: (media, { cut: at, ...names }) =>
    media.operate('tape.rename', { ...names, keepLabel: true }, at),
});

const move = form('tape.move({name}, {pool}{cut})', {
  fields: { name, pool, cut },
  perform: (media, { cut: at, ...parameters }) => media.operate('tape.move', parameters, at),
});

const lock = form('tape.{what}({name}, {kind}{cut})', {
  fields: { what: oneOf('lock', 'unlock'), name, kind: oneOf(...KINDS), cut },
  perform: (media, { cut: at, what, ...parameters }) =>
    media.operate(`tape.${what}`, parameters, at),
});

const lockPool = form('pool.{what}({name}{cut})', {
  fields: { what: oneOf('lock', 'unlock'), name: pool, cut },
  perform: (media, each) => media.operate(`pool.${each.what}`, { name: each.name }, each.cut),
});

const movePool = form('pool.move({name}, {vault}{cut})', {
  fields: { name: pool, vault, cut },
  perform: (media, { cut: at, ...parameters }) => media.operate('pool.move', parameters, at),
});

const names = fc.constantFrom(...NAMES);
const pools = fc.constantFrom(...POOLS);
const kinds = fc.constantFrom(...KINDS);
const cuts = { cut: fc.option(fc.nat({ max: 30 }), { nil: undefined }) };

/** With their weights. */
export const MEDIA_COMMANDS: readonly DrawnCommand<MediaWorld>[] = [
  write.drawn({ name: names, byte: fc.nat({ max: 255 }) }, 3),
  create.drawn({ name: names, pool: pools, ...cuts }, 2),
  remove.drawn({ what: fc.constant('erase'), name: names, ...cuts }, 3),
  remove.drawn({ what: fc.constant('delete'), name: names, ...cuts }),
  rename.drawn({ name: names, newName: names, ...cuts }, 6),
  move.drawn({ name: names, pool: pools, ...cuts }, 3),
  lock.drawn({ what: fc.constant('lock'), name: names, kind: kinds, ...cuts }, 4),
  lock.drawn({ what: fc.constant('unlock'), name: names, kind: kinds, ...cuts }),
  lockPool.drawn({ what: fc.constantFrom('lock', 'unlock'), name: pools, ...cuts }, 2),
  movePool.drawn({ name: pools, vault: fc.constantFrom(...VAULTS), ...cuts }, 2),
];
