/**
 * What an operator can have a server do: one table of operations by name, each with the schema of its
 * parameters. The running server's control socket and the command line without a server both call it.
 */
import { CapstanError } from '../base/errors.ts';
import { AUTOCOPY_OPERATIONS } from './operations/autocopy.ts';
import { DRIVE_OPERATIONS } from './operations/drives.ts';
import { EVENTS_OPERATIONS } from './operations/events.ts';
import { MOUNT_OPERATIONS } from './operations/mounts.ts';
import type { OperationContext, OperationTable } from './operations/operation.ts';
import { POOL_OPERATIONS } from './operations/pools.ts';
import { SERVER_OPERATIONS } from './operations/server.ts';
import { TAPE_OPERATIONS } from './operations/tapes.ts';
import { VAULT_OPERATIONS } from './operations/vaults.ts';

const REASON_CHARS_MAX = 200;

export const OPERATIONS: OperationTable = {
  ...VAULT_OPERATIONS,
  ...POOL_OPERATIONS,
  ...TAPE_OPERATIONS,
  ...DRIVE_OPERATIONS,
  ...MOUNT_OPERATIONS,
  ...AUTOCOPY_OPERATIONS,
  ...EVENTS_OPERATIONS,
  ...SERVER_OPERATIONS,
};

export class Operations {
  readonly #services: OperationContext;

  constructor(services: OperationContext) {
    this.#services = services;
  }

  /** Rejects INVALID_ARGUMENT for an unknown name or wrong parameters, else as the operation does. */
  async call(name: string, parameters: unknown): Promise<unknown> {
    const entry = Object.hasOwn(OPERATIONS, name) ? OPERATIONS[name] : undefined;
    if (entry === undefined) {
      const what = `The operation ${JSON.stringify(name.slice(0, 40))}`;
      throw new CapstanError('INVALID_ARGUMENT', { what, reason: 'there is none of that name' });
    }
    const parsed = entry.parameters.safeParse(parameters ?? {});
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      const place = issue?.path.join('.') ?? '';
      throw new CapstanError('INVALID_ARGUMENT', {
        what: place === '' ? `What ${name} was given` : `${place} of ${name}`,
        reason: sentencePart(issue?.message ?? 'it is malformed'),
      });
    }
    return entry.run(this.#services, parsed.data);
  }
}

/** One line without an end, of a length that a terminal bears. */
function sentencePart(message: string): string {
  return message.replaceAll(/\s+/g, ' ').replace(/\.$/, '').slice(0, REASON_CHARS_MAX);
}
