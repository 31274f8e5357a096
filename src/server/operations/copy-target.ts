/** Parameters that AutoCopy and Instant DR share: another server, and how fast copies may go. */
import { z } from 'zod';
import { CapstanError } from '../../base/errors.ts';
import { checkName } from '../../base/names.ts';
import type { CopyTarget } from '../../ports/catalog.ts';
import type { ServerContext } from '../context.ts';
import { BYTES_PER_SECOND_MAX, BYTES_PER_SECOND_MIN } from '../copy-bandwidth.ts';
import { text } from './subjects.ts';

/** Of an SSH key. */
export const fingerprint = z
  .string()
  .max(100)
  .regex(/^SHA256:\S+$/)
  .meta({ title: "a fingerprint like 'SHA256:…'" });

export const copyTarget = z.strictObject({
  server: text,
  address: z
    .string()
    .max(255)
    .regex(/^[A-Za-z0-9:[][A-Za-z0-9.:%[\]-]*$/)
    .meta({ title: 'an address, as 10.0.0.2 or tapes.example.com' }),
  port: z.int().min(1).max(65_535),
  user: z
    .string()
    .max(32)
    .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/)
    .meta({ title: 'the name of a user of its operating system' }),
  hostKey: fingerprint,
  transport: z.enum(['ssh2', 'openssh']),
});

/** A limit on bandwidth; null takes it away. */
export const copyRate = z
  .number()
  .min(BYTES_PER_SECOND_MIN, `a limit is at least ${BYTES_PER_SECOND_MIN} bytes a second`)
  .max(BYTES_PER_SECOND_MAX)
  .nullable();

/** Rejects NAME_INVALID, and INVALID_ARGUMENT for this server itself. */
export function checkTarget(context: ServerContext, target: CopyTarget): void {
  checkName('server', target.server);
  if (target.server !== context.settings.serverName) return;
  throw new CapstanError('INVALID_ARGUMENT', {
    what: `The target ${target.server}`,
    reason: 'a server does not copy tapes to itself',
  });
}
