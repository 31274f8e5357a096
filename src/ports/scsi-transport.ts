/** One SCSI device, from the initiator's side: emulated in this process, over iSCSI, or a real one. */

export interface ScsiCommand {
  readonly cdb: Uint8Array;
  readonly dataOut?: Uint8Array;
  /** Bytes that the initiator has room for. */
  readonly dataInLength: number;
  readonly timeoutMs: number;
}

export interface ScsiResult {
  /** SAM status: 00h GOOD, 02h CHECK CONDITION, 08h BUSY, 18h RESERVATION CONFLICT. */
  readonly status: number;
  /** Sense data with CHECK CONDITION, else empty. */
  readonly sense: Uint8Array;
  readonly dataIn: Uint8Array;
  /** Bytes of `dataInLength` (or of `dataOut`) that were not moved. */
  readonly residual: number;
}

export interface ScsiTransport {
  /** Commands of one device run one after the other. Rejects only where the device is gone. */
  execute(command: ScsiCommand): Promise<ScsiResult>;
}
