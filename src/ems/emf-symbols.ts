/**
 * The names that a filter may use: tokens of an event's buffer, and values of the definition files.
 *
 * A header token is there in every event. Another token belongs to a subsystem: ZEMS's own have to be
 * qualified, `SSID(ZEMS^VAL^SSID, ZEMS^TKN^TEXT)`, a subsystem's are looked for in its own events.
 *
 * @source EMS Programming Manual (520372), p. 43 and 200 to 202; EMS Manual (426909-005), p. 65 to 129.
 * The number behind ZTAP^VAL^SSID is not in the manuals that we have: subsystems are compared by name.
 */
import { ZSVR_EVENTS } from './zsvr-table.ts';

export type EmfType = 'number' | 'string' | 'boolean' | 'ssid';

export type EmfValue =
  | { readonly type: 'number'; readonly value: number }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'boolean'; readonly value: boolean }
  /** Owner and subsystem; the version takes no part in a comparison. */
  | { readonly type: 'ssid'; readonly value: string };

export interface EmfToken {
  readonly type: EmfType;
  readonly of: 'header' | 'ems' | 'subsystem';
}

export const EMF_TOKENS = {
  'ZSPI^TKN^SSID': { type: 'ssid', of: 'header' },
  'ZEMS^TKN^EVENTNUMBER': { type: 'number', of: 'header' },
  'ZEMS^TKN^EMPHASIS': { type: 'boolean', of: 'header' },
  'ZEMS^TKN^CONSOLE^PRINT': { type: 'boolean', of: 'header' },
  'ZEMS^TKN^SUPPRESS^DISPLAY': { type: 'boolean', of: 'header' },
  'ZEMS^TKN^GENTIME': { type: 'number', of: 'header' },
  'ZEMS^TKN^LOGTIME': { type: 'number', of: 'header' },
  'ZEMS^TKN^CPU': { type: 'number', of: 'header' },
  'ZEMS^TKN^PIN': { type: 'number', of: 'header' },
  'ZEMS^TKN^PROC^DESC': { type: 'string', of: 'header' },
  'ZEMS^TKN^SYSTEM': { type: 'string', of: 'header' },
  'ZEMS^TKN^USERID': { type: 'number', of: 'header' },
  'ZEMS^TKN^TEXT': { type: 'string', of: 'ems' },
  'ZEMS^TKN^ACTION^NEEDED': { type: 'boolean', of: 'ems' },
  'ZEMS^TKN^ACTION^ID': { type: 'number', of: 'ems' },
  'ZEMS^TKN^SUBJECT^MARK': { type: 'string', of: 'ems' },
  'ZTAP^TKN^TAPE^VOLUME': { type: 'string', of: 'subsystem' },
  'ZTAP^TKN^DEV^NAME': { type: 'string', of: 'subsystem' },
} as const satisfies Record<string, EmfToken>;

const event = (value: number): EmfValue => ({ type: 'number', value });
const subsystem = (value: string): EmfValue => ({ type: 'ssid', value });

/** Values by name: the subsystems, and the events of $ZSVR and of EMS itself. */
export const EMF_CONSTANTS: Readonly<Record<string, EmfValue>> = {
  'ZTAP^VAL^SSID': subsystem('TANDEM.ZSVR'),
  'ZEMS^VAL^SSID': subsystem('TANDEM.EMS'),
  'ZEMS^EVT^WRITE^TO^0': event(512),
  ...Object.fromEntries(
    ZSVR_EVENTS.map(({ name, number }) => [`ZTAP^EVT^${name}`, event(number)] as const),
  ),
};
