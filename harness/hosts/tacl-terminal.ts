/** What sits behind the host's TACL port: a session a connection, with the programs that it starts. */
import { isCapstanError } from '../../src/base/errors.ts';
import { TaclHostSession } from '../../src/ems/tacl-host.ts';
import type { HostEffect, TaclHostOptions } from '../../src/ems/tacl-host.ts';
import type { Cancel } from '../../src/ports/clock.ts';
import type { DuplexStream } from '../../src/ports/network.ts';
import type { EmsCollector } from './ems-collector.ts';
import { NOT_A_COMMAND } from './tacl-commands.ts';

/** Serves one connection to its end; resolves then, also where the network took it down. */
export async function serveTaclTerminal(
  stream: DuplexStream,
  collector: EmsCollector,
  options: TaclHostOptions,
  run: (line: string) => Promise<readonly string[]> = () => Promise.resolve([NOT_A_COMMAND]),
): Promise<void> {
  const session = new TaclHostSession(options);
  let stopDistributor: Cancel = () => {};
  let sending = Promise.resolve();
  const lost = (): void => {
    // The reader below ends with the connection, too, and deals with it.
  };
  const distribute = (effect: HostEffect & { kind: 'distributor-started' }): void => {
    stopDistributor();
    try {
      stopDistributor = collector.distribute((lines) => perform(session.emit(lines)), effect);
    } catch (error) {
      if (!isCapstanError(error, 'NOT_FOUND')) throw error;
      perform(session.endCommand([`*ERROR* ${effect.filter ?? ''}: filter not found (11)`]));
    }
  };
  const perform = (effects: readonly HostEffect[]): void => {
    for (const effect of effects) {
      switch (effect.kind) {
        case 'send':
          sending = sending.then(() => stream.write(effect.bytes)).catch(lost);
          break;
        case 'command':
          void run(effect.line).then((lines) => perform(session.endCommand(lines)));
          break;
        case 'distributor-started':
          distribute(effect);
          break;
        case 'ended':
          sending = sending.then(() => stream.end()).catch(lost);
          break;
      }
    }
  };
  try {
    perform(session.start());
    for (;;) {
      const bytes = await stream.read();
      if (bytes === undefined) break;
      perform(session.receive(bytes));
    }
  } catch (error) {
    if (!isCapstanError(error, 'CONNECTION_LOST')) throw error;
  } finally {
    stopDistributor();
    await sending;
    stream.destroy();
  }
}
