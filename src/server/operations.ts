/**
 * What an operator can have a server do: one table of operations by name, each with the schema of its
 * parameters. The running server's control socket and the command line without a server both call it.
 */
import type { ZodType } from 'zod';
import { CapstanError } from '../base/errors.ts';
import { authorize, localPrincipal } from './access.ts';
import type { Principal } from './access.ts';
import { reasonOf } from './context.ts';
import type { ServerContext } from './context.ts';
import { ACCESS_OPERATIONS } from './operations/access.ts';
import { AUTOCOPY_OPERATIONS } from './operations/autocopy.ts';
import { CLEANUP_OPERATIONS } from './operations/cleanup.ts';
import { DRIVE_OPERATIONS } from './operations/drives.ts';
import { vaultElsewhere } from './operations/elsewhere.ts';
import { EVENTS_OPERATIONS } from './operations/events.ts';
import { HOST_OPERATIONS } from './operations/hosts.ts';
import { ISC_OPERATIONS } from './operations/isc.ts';
import { LOCK_OPERATIONS } from './operations/locks.ts';
import { LICENCE_OPERATIONS } from './operations/licences.ts';
import { INSTANT_DR_OPERATIONS } from './operations/instant-dr.ts';
import { MOUNT_OPERATIONS } from './operations/mounts.ts';
import type { Operation, OperationContext, OperationTable } from './operations/operation.ts';
import { parseParameters } from './operations/parameters.ts';
import { POLICY_OPERATIONS } from './operations/policy.ts';
import { POOL_OPERATIONS } from './operations/pools.ts';
import { COPY_RESULTS } from './operations/results/copies.ts';
import { MEDIA_RESULTS } from './operations/results/media.ts';
import { SERVER_RESULTS } from './operations/results/server.ts';
import { SERVER_OPERATIONS } from './operations/server.ts';
import { subjectsIn } from './operations/subjects.ts';
import type { Subject } from './operations/subjects.ts';
import { TAPE_OPERATIONS } from './operations/tapes.ts';
import { VAULT_OPERATIONS } from './operations/vaults.ts';
import { RIGHTS } from './rights.ts';
import { VaultView } from './vault-access.ts';

export const OPERATIONS: OperationTable = {
  ...VAULT_OPERATIONS,
  ...POOL_OPERATIONS,
  ...TAPE_OPERATIONS,
  ...DRIVE_OPERATIONS,
  ...MOUNT_OPERATIONS,
  ...LOCK_OPERATIONS,
  ...HOST_OPERATIONS,
  ...AUTOCOPY_OPERATIONS,
  ...POLICY_OPERATIONS,
  ...CLEANUP_OPERATIONS,
  ...INSTANT_DR_OPERATIONS,
  ...EVENTS_OPERATIONS,
  ...SERVER_OPERATIONS,
  ...ACCESS_OPERATIONS,
  ...LICENCE_OPERATIONS,
  ...ISC_OPERATIONS,
};

/** What each results in, for the API's description; tests hold every result against it. */
export const OPERATION_RESULTS: Readonly<Record<string, ZodType>> = {
  ...MEDIA_RESULTS,
  ...COPY_RESULTS,
  ...SERVER_RESULTS,
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
  async callAs(caller: Principal, name: string, parameters: unknown): Promise<unknown> {
    const { context } = this.#services;
    const { user, program, address } = caller;
    const origin = { user, program, ...(address !== undefined && { address }) };
    const eventLog = context.eventLog.as(origin);
    const entry = operationNamed(name);
    if (!caller.rights.has(entry.right)) {
      await eventLog.log('OPERATION_REFUSED', { operation: name, right: RIGHTS[entry.right] });
    }
    const startedMs = context.ports.clock.monotonicMs();
    const tell = (outcome: string): void => {
      const tookMs = Math.round(context.ports.clock.monotonicMs() - startedMs);
      const text = `${name} by ${user} (${program}): ${outcome}, ${tookMs} ms`;
      context.debugLog.write('debug', 'operations', text);
    };
    const result = await this.#call(name, parameters, caller, { ...context, eventLog }).then(
      (value) => {
        tell('done');
        return value;
      },
      (error: unknown) => {
        tell(reasonOf(error));
        throw error;
      },
    );
    // What changed something stands in the log under the name of who asked: the audit.
    if (entry.changes && !eventLog.hasWritten) {
      const fields = { operation: name, subject: subjectOf(parameters) };
      await context.ballasts.rescue(() => eventLog.log('OPERATION_DONE', fields));
    }
    return result;
  }

  /** What the parameters of an operation name. Throws INVALID_ARGUMENT. */
  subjectsOf(name: string, parameters: unknown): readonly Subject[] {
    const entry = operationNamed(name);
    return subjectsIn(entry.parameters, parseParameters(name, entry.parameters, parameters ?? {}));
  }

  async #call(
    name: string,
    parameters: unknown,
    caller: Principal,
    context: ServerContext,
  ): Promise<unknown> {
    const entry = operationNamed(name);
    authorize(caller, entry.right);
    const values = parseParameters(name, entry.parameters, parameters ?? {});
    const services = { ...this.#services, context, caller };
    const view = VaultView.of(context, caller, name, entry);
    await view?.check(values);
    try {
      const elsewhere = await vaultElsewhere(context, { name, entry }, values);
      const result =
        elsewhere === undefined
          ? await entry.run(services, values)
          : await services.shared.operate(elsewhere, name, values, caller.user);
      return view === undefined ? result : await view.filter(result);
    } catch (error) {
      throw view === undefined ? error : view.hide(error);
    }
  }
}

/** Throws INVALID_ARGUMENT. */
function operationNamed(name: string): Operation {
  const entry = Object.hasOwn(OPERATIONS, name) ? OPERATIONS[name] : undefined;
  if (entry !== undefined) return entry;
  const what = `The operation ${JSON.stringify(name.slice(0, 40))}`;
  throw new CapstanError('INVALID_ARGUMENT', { what, reason: 'there is none of that name' });
}

/** What an operation was about, by its usual parameters; never a secret one. */
function subjectOf(parameters: unknown): string {
  const given = (parameters ?? {}) as Readonly<Record<string, unknown>>;
  const values = ['name', 'id', 'number', 'tape', 'pool', 'vault', 'user', 'group', 'mode'].map(
    (key) => given[key],
  );
  return String(values.find((each) => typeof each === 'string' || typeof each === 'number') ?? '');
}
