/** The option that limits how much copies send, as AutoCopy and Instant DR have it. */
import { Option } from 'commander';
import { noneAsNull, orNone, sizeOption } from '../options.ts';
import type { Values } from './operation-command.ts';

export const RATE = new Option(
  '--rate <size>',
  "send no more than so much a second, as 20M; 'none': as fast as it goes",
).argParser(orNone(sizeOption));

/** The operation's parameter, where the option was given. */
export function rateOf(options: Values): Values {
  const rate = options['rate'];
  return rate === undefined ? {} : { bytesPerSecond: noneAsNull(rate) };
}
