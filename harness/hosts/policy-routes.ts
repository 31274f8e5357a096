/**
 * The three ways in which a NonStop host sends a VTSPolicy command: a TACL macro that makes an event with
 * ZEMS^TKN^TEXT, FUP COPY of a file to `$0`, and a NetBatch job that runs the macro when it is due.
 *
 * @source VTS 6.02 Installation Guide p. 51 (macro), EMS Manual p. 609 (WRITE to $0).
 */
import { assert } from '../../src/base/assert.ts';
import { civilTime } from '../../src/base/civil-time.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { EmsCollector } from './ems-collector.ts';
import { GuardianFiles, fupCopy } from './fup.ts';
import { NetBatch } from './netbatch.ts';

/** The number is free; the manual's sample has this one. */
const MACRO_EVENT_NUMBER = 1234;
const MACRO_SUBSYSTEM = 'EXTERNAL.VTS.A01';
const FILE = 'POLICY';

/** `#EMSINIT` with the text, sent to `$0`: emphasis, action needed, and the text whole. */
export function sendByMacro(collector: EmsCollector, text: string): void {
  collector.log({
    process: '$TACL',
    subsystem: MACRO_SUBSYSTEM,
    critical: true,
    eventNumber: MACRO_EVENT_NUMBER,
    text,
    tokens: { 'ZEMS^TKN^ACTION^NEEDED': true },
  });
}

/** `FUP COPY POLICY, $0`: event 512, its text cut. */
export function sendByFup(collector: EmsCollector, text: string): void {
  const files = new GuardianFiles();
  files.put(FILE, [text]);
  const said = fupCopy(files, FILE, '$0', collector);
  assert(said[0] === '1 RECORDS TRANSFERRED', 'FUP copies a file that is there');
}

/** A NetBatch job of the next full minute that is `minutes` away, once. */
export function sendByNetBatch(
  collector: EmsCollector,
  text: string,
  { clock, minutes }: { readonly clock: Clock; readonly minutes: number },
): void {
  const { hour, minute } = civilTime(clock.nowMs() + minutes * 60_000);
  const cancel = new NetBatch(clock, collector).submit({
    name: FILE,
    at: { hour, minute },
    run: async () => {
      cancel();
      sendByMacro(collector, text);
    },
  });
}
