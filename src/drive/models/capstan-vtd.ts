/** The laboratory's own drive: shaped like an LTO drive, under its own name. */
import { MIB } from '../../base/units.ts';
import type { DriveModel } from '../model.ts';

export const CAPSTAN_VTD = {
  name: 'Capstan virtual tape drive',
  vendor: 'CAPSTAN',
  product: 'VIRTUAL TAPE',
  revision: '0001',
  densityCode: 0x5e,
  blockLengthMin: 1,
  // The most that READ(6), WRITE(6) and READ BLOCK LIMITS can say in their 24 bits.
  blockLengthMax: 0xff_ff_ff,
  earlyWarningBytes: 64 * MIB,
  modePages: [
    {
      // DCE and DCC set, DDE set: data are compressed in the vault whatever the host says here.
      name: 'Data Compression',
      defaults: [0x0f, 0x0e, 0xc0, 0x80, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0],
      changeable: [0x0f, 0x0e, 0x80, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    },
    {
      // LOIS: positions are known as logical objects. EEG: erased gaps are none. SEW: the buffer is
      // emptied at early warning. REW is clear: reading past early warning says nothing of it.
      name: 'Device Configuration',
      defaults: [0x10, 0x0e, 0, 0, 0, 0, 0, 0, 0x40, 0, 0x18, 0, 0, 0, 1, 0],
      changeable: [0x10, 0x0e, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 1, 0],
    },
  ],
} as const satisfies DriveModel;
