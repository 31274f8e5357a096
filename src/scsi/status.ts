/** Status codes: how a command ended. @source SAM-5 5.3.1 */

export const STATUS = {
  GOOD: 0x00,
  CHECK_CONDITION: 0x02,
  BUSY: 0x08,
  RESERVATION_CONFLICT: 0x18,
} as const satisfies Record<string, number>;
