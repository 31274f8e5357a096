/**
 * Runs one command on a host in a TACL session of its own, and makes sense of what it prints.
 *
 * `ems_response_timeout` holds for the connection and the log-on, `ems_notify_wait_timeout` for the
 * command, and `ems_notify_logout_timeout` from the LOGOFF to the closing of the connection, where the
 * host does not close it first.
 */
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { SECOND_MS } from '../base/units.ts';
import { DEFAULT_EMS_HOST_PARAMETERS } from '../ems/parameters.ts';
import { OUTPUT_LINES_MAX, TaclCommandSession } from '../ems/tacl-command.ts';
import type { CommandEffect } from '../ems/tacl-command.ts';
import type { Cancel, Clock } from '../ports/clock.ts';
import type { DuplexStream, Network } from '../ports/network.ts';
import type { HostSettings, ServerContext } from './context.ts';

interface Ports {
  readonly clock: Clock;
  readonly network: Network;
}

/**
 * What the command printed, a line each. Rejects CONNECTION_REFUSED and CONNECTION_LOST with the reason,
 * which is the host's own words where it refused the command.
 */
export async function runHostCommand(
  { clock, network }: Ports,
  settings: HostSettings,
  command: string,
): Promise<readonly string[]> {
  const { host, endpoint, user, password, parameters } = settings;
  const times = { ...DEFAULT_EMS_HOST_PARAMETERS, ...parameters };
  const session = new TaclCommandSession({ user, password, command });
  const lost = (reason: string): CapstanError =>
    new CapstanError('CONNECTION_LOST', { peer: host, reason });
  let stream: DuplexStream | undefined;
  let expired: string | undefined;
  let cancel: Cancel = () => {};
  const limit = (timeoutMs: number, what: string): void => {
    cancel();
    cancel = clock.after(timeoutMs, () => {
      expired = `${what} within ${timeoutMs / SECOND_MS} s`;
      stream?.destroy();
    });
  };
  try {
    limit(times.responseTimeoutMs, 'no answer at log-on');
    stream = await network.connect(endpoint);
    for (;;) {
      const bytes = expired === undefined ? await stream.read() : undefined;
      if (expired !== undefined) throw lost(expired);
      if (bytes === undefined) throw lost('the host ended it');
      for (const effect of session.receive(bytes)) {
        const output = await perform(effect, stream, lost);
        if (effect.kind === 'started') limit(times.notifyWaitTimeoutMs, 'the command did not end');
        if (output === undefined) continue;
        limit(times.notifyLogoutTimeoutMs, 'no end of the session');
        await awaitEnd(stream);
        return output;
      }
    }
  } catch (error) {
    throw expired === undefined ? error : lost(expired);
  } finally {
    cancel();
    stream?.destroy();
  }
}

/** The output, where that was its end. */
async function perform(
  effect: CommandEffect,
  stream: DuplexStream,
  lost: (reason: string) => CapstanError,
): Promise<readonly string[] | undefined> {
  switch (effect.kind) {
    case 'send':
      await stream.write(effect.bytes);
      return undefined;
    case 'started':
      return undefined;
    case 'failed':
      throw lost(effect.reason);
    case 'done':
      if (effect.refusal !== undefined) throw lost(effect.refusal);
      return effect.output;
  }
}

/** Resolves when the host has closed the connection, or it was closed here. */
async function awaitEnd(stream: DuplexStream): Promise<void> {
  try {
    while ((await stream.read()) !== undefined) {
      // The host's last words.
    }
  } catch {
    // Closed by the time-out: the command had ended before.
  }
}

export interface HostQuestionOptions<Answer> {
  readonly command: string;
  /** Undefined where the lines are no answer. */
  readonly parse: (lines: readonly string[]) => Answer | undefined;
  /** What is logged where a host does not answer. */
  readonly event: 'EMS_DRIVES_FAILED' | 'EMS_STATUS_FAILED';
}

/** A question that hosts are asked again and again; the same reason for no answer is told of once. */
export class HostQuestion<Answer> {
  readonly #context: ServerContext;
  readonly #options: HostQuestionOptions<Answer>;
  /** Hosts whose refusal stands in the event log since their last answer. */
  readonly #toldOf = new Map<string, string>();
  #stopped = false;

  constructor(context: ServerContext, options: HostQuestionOptions<Answer>) {
    this.#context = context;
    this.#options = options;
  }

  /**
   * Undefined where the host does not say, or stands in the settings no more. Never rejects for what it
   * does.
   */
  async ask(host: string): Promise<Answer | undefined> {
    const { ports, settings, eventLog } = this.#context;
    const { command, parse, event } = this.#options;
    const account = settings.hosts.find((each) => each.host === host);
    if (account === undefined) return undefined;
    let reason: string;
    try {
      const lines = await runHostCommand(ports, account, command);
      const isCut = lines.length >= OUTPUT_LINES_MAX;
      const answer = isCut ? undefined : parse(lines);
      if (answer !== undefined) {
        this.#toldOf.delete(host);
        return answer;
      }
      reason = isCut
        ? `its answer has ${OUTPUT_LINES_MAX} lines or more`
        : `its answer begins with ${JSON.stringify((lines[0] ?? '').slice(0, 60))}`;
    } catch (error) {
      if (!isCapstanError(error)) throw error;
      reason = error.message;
    }
    if (!this.#stopped && this.#toldOf.get(host) !== reason) {
      this.#toldOf.set(host, reason);
      eventLog.report(event, { host, reason });
    }
    return undefined;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Answers are of no use any more, and no failure is told of. */
  stop(): void {
    this.#stopped = true;
  }
}
