/**
 * A simulated NonStop: `$0` with its printing distributors behind a TACL port, `$ZSVR` with its mount
 * requests and tape drives, MEDIACOM, FUP and NetBatch.
 *
 * It runs over ports only, so the laboratory and the simulated world use the same host. Each of its
 * processes has a file of its own.
 */
import type { EmfEvent } from '../../src/ems/emf-filter.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Endpoint, Listener, Network } from '../../src/ports/network.ts';
import type { ScsiTransport } from '../../src/ports/scsi-transport.ts';
import { EmsCollector } from './ems-collector.ts';
import type { NewEvent } from './ems-collector.ts';
import { GuardianFiles, fupCopy } from './fup.ts';
import type { MountOptions, MountedTape } from './mount-request.ts';
import { NetBatch } from './netbatch.ts';
import { runTaclCommand } from './tacl-commands.ts';
import { serveTaclTerminal } from './tacl-terminal.ts';
import { TapeDevice } from './tape-device.ts';
import { Zsvr } from './zsvr.ts';
import type { ZsvrOptions } from './zsvr.ts';

export interface NonStopHostOptions extends Pick<
  ZsvrOptions,
  'pollIntervalMs' | 'keepsUnrequested'
> {
  /** `\LAB` */
  readonly node: string;
  readonly clock: Clock;
  readonly network: Network;
  /** The drives by their names on the host: `$TAPE0`. */
  readonly devices: ReadonlyMap<string, ScsiTransport>;
  /** Who may log on at the TACL port. */
  readonly user: string;
  readonly password: string;
  /** Programs that this user may not run: `MEDIACOM`. */
  readonly secured?: readonly string[];
  /** Of the host before it was loaded anew: what was logged is on disk. */
  readonly collector?: EmsCollector;
}

export class NonStopHost {
  readonly collector: EmsCollector;
  readonly zsvr: Zsvr;
  readonly files = new GuardianFiles();
  readonly netBatch: NetBatch;
  /** A loaded host: what TACL's programs found out is printed so much later. */
  commandDelayMs = 0;
  readonly #options: NonStopHostOptions;

  constructor(options: NonStopHostOptions) {
    const { node, clock, devices, ...rest } = options;
    this.#options = options;
    this.collector = options.collector ?? new EmsCollector(node, clock);
    this.zsvr = new Zsvr({
      ...rest,
      node,
      clock,
      devices: [...devices].map(([name, transport]) => new TapeDevice(name, transport)),
      log: (event) => this.collector.logZsvr(event),
    });
    this.netBatch = new NetBatch(clock, this.collector);
  }

  get node(): string {
    return this.#options.node;
  }

  /** Everything the collector has logged, as printed, a line each. */
  get emsLines(): readonly string[] {
    return this.collector.lines;
  }

  /** Numbers of the requests that are neither mounted nor at their end. */
  get outstandingRequests(): readonly number[] {
    return this.zsvr.requests.map((request) => request.requestNumber);
  }

  /** Opens the TACL port. */
  listen(endpoint: Endpoint): Promise<Listener> {
    const { network, node, user, password, secured } = this.#options;
    const options = { node, user, password };
    const { clock } = this.#options;
    return network.listen(endpoint, (stream) => {
      void serveTaclTerminal(stream, this.collector, options, async (line) => {
        const [program = ''] = line.trim().toUpperCase().split(' ');
        if (secured?.includes(program) === true) {
          return [`*ERROR* ${program}: security violation (error 48)`];
        }
        const output = await this.command(line, user);
        const delayMs = this.commandDelayMs;
        if (delayMs > 0) await new Promise<void>((resolve) => clock.after(delayMs, resolve));
        return output;
      });
    });
  }

  /**
   * Runs a command of TACL, as an operator or a macro: MEDIACOM, FUP, SCF. The lines that it prints.
   * `user` is SUPER.OPERATOR unless told otherwise.
   */
  command(line: string, user = 'SUPER.OPERATOR'): Promise<readonly string[]> {
    return runTaclCommand(this, line, user);
  }

  /** Any other event, for what else a host logs. */
  log(event: NewEvent): void {
    this.collector.log(event);
  }

  /**
   * A TACL macro builds an event with a text in ZEMS^TKN^TEXT and sends it to `$0`: how VTSPolicy
   * commands come from backup scripts.
   */
  logText(text: string, tokens: EmfEvent = {}): void {
    this.collector.log({
      process: '$BATCH',
      subsystem: 'USER.VTSPOL.A01',
      eventNumber: 1,
      text,
      tokens,
    });
  }

  /** `FUP COPY file,$0`: each line of the file is an event of its own, cut to 102 characters. */
  copyToCollector(file: string): readonly string[] {
    return fupCopy(this.files, file, '$0', this.collector);
  }

  /** Asks for a tape and resolves when a job may use it. Rejects {@link HostError}. */
  requestMount(options: MountOptions): Promise<MountedTape> {
    return this.zsvr.request(options);
  }
}
