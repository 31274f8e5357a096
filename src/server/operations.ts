/**
 * What an operator can have a server do: one table of operations by name, each with the schema of its
 * parameters. The running server's control socket and the command line without a server both call it.
 */
import { CapstanError } from '../base/errors.ts';
import { authorize, localPrincipal } from './access.ts';
import type { Principal } from './access.ts';
import type { ServerContext } from './context.ts';
import { AUTOCOPY_OPERATIONS } from './operations/autocopy.ts';
import { DRIVE_OPERATIONS } from './operations/drives.ts';
import { EVENTS_OPERATIONS } from './operations/events.ts';
import { HOST_OPERATIONS } from './operations/hosts.ts';
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
  ...HOST_OPERATIONS,
  ...AUTOCOPY_OPERATIONS,
  ...EVENTS_OPERATIONS,
  ...SERVER_OPERATIONS,
};

export class Operations {
  readonly #services: Omit<OperationContext, 'caller'>;

  constructor(services: Omit<OperationContext, 'caller'>) {
    this.#services = services;
  }

  /** Calls an operation for the server itself, with every right; otherwise like {@link callAs}. */
  call(name: string, parameters: unknown): Promise<unknown> {
    return this.#call(name, parameters, localPrincipal('system'), this.#services.context);
  }

  /**
   * Calls an operation for somebody. Rejects INVALID_ARGUMENT for an unknown name or wrong parameters,
   * RIGHT_MISSING, else as the operation does.
   */
  callAs(caller: Principal, name: string, parameters: unknown): Promise<unknown> {
    const { context } = this.#services;
    const { user, program, address } = caller;
    const origin = { user, program, ...(address !== undefined && { address }) };
    const eventLog = context.eventLog.as(origin);
    return this.#call(name, parameters, caller, { ...context, eventLog });
  }

  async #call(
    name: string,
    parameters: unknown,
    caller: Principal,
    context: ServerContext,
  ): Promise<unknown> {
    const entry = Object.hasOwn(OPERATIONS, name) ? OPERATIONS[name] : undefined;
    if (entry === undefined) {
      const what = `The operation ${JSON.stringify(name.slice(0, 40))}`;
      throw new CapstanError('INVALID_ARGUMENT', { what, reason: 'there is none of that name' });
    }
    authorize(caller, entry.right);
    const parsed = entry.parameters.safeParse(parameters ?? {});
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      const place = issue?.path.join('.') ?? '';
      throw new CapstanError('INVALID_ARGUMENT', {
        what: place === '' ? `What ${name} was given` : `${place} of ${name}`,
        reason: sentencePart(issue?.message ?? 'it is malformed'),
      });
    }
    return entry.run({ ...this.#services, context, caller }, parsed.data);
  }
}

/** One line without an end, of a length that a terminal bears. */
function sentencePart(message: string): string {
  return message.replaceAll(/\s+/g, ' ').replace(/\.$/, '').slice(0, REASON_CHARS_MAX);
}
