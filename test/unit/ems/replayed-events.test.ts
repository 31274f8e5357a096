import { describe, expect, it } from 'vitest';
import { withoutEndedRequests } from '../../../src/ems/replayed-events.ts';
import type { ZsvrEvent } from '../../../src/ems/zsvr-events.ts';

const request = (requestNumber: number, volume = 'LAB001'): ZsvrEvent => ({
  kind: 'mount-request',
  number: 600,
  requestNumber,
  volume,
  labelType: 'ansi',
  ring: true,
});
const mounted = (requestNumber: number): ZsvrEvent => ({
  kind: 'mounted',
  requestNumber,
  volume: 'LAB001',
});

describe('of replayed events', () => {
  it('a request that ends later is left out, its end is not', () => {
    expect(withoutEndedRequests([request(1), request(2), mounted(1)])).toEqual([
      request(2),
      mounted(1),
    ]);
  });

  it('an end before a request of the same number is none of that request', () => {
    const events = [mounted(1), request(1, 'LAB002')];
    expect(withoutEndedRequests(events)).toEqual(events);
  });

  it('each number may come round several times', () => {
    expect(
      withoutEndedRequests([request(1), mounted(1), request(1), mounted(1), request(1, 'NEW')]),
    ).toEqual([mounted(1), mounted(1), request(1, 'NEW')]);
  });

  it('of two open requests of a number the older is left out: its host was loaded anew', () => {
    expect(withoutEndedRequests([request(1), request(2), request(1, 'NEW')])).toEqual([
      request(2),
      request(1, 'NEW'),
    ]);
  });

  it('what is no request stays where it is', () => {
    const dismounted: ZsvrEvent = { kind: 'dismounted', volume: 'LAB001', device: '$TAPE0' };
    expect(withoutEndedRequests([dismounted, request(1), dismounted])).toEqual([
      dismounted,
      request(1),
      dismounted,
    ]);
  });
});
