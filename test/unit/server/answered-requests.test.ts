import { describe, expect, it } from 'vitest';
import { SimulatedClock } from '../../../harness/world/simulated-clock.ts';
import { MINUTE_MS } from '../../../src/base/units.ts';
import { AnsweredRequests } from '../../../src/server/answered-requests.ts';

const REQUEST = {
  host: '\\LAB',
  requestNumber: 7,
  tape: 'LAB001',
  device: undefined,
  ring: true,
  receivedAtMs: 0,
  reason: '',
};

describe('requests that another server satisfied', () => {
  it('are not this server’s business any more, also where they are heard of later', () => {
    const clock = new SimulatedClock();
    const answered = new AnsweredRequests(clock);
    const request = { ...REQUEST, receivedAtMs: clock.nowMs() };
    expect(answered.has(request)).toBe(false);
    answered.add(request, 'west', undefined);
    expect(answered.has(request)).toBe(true);
    expect(answered.has({ ...request, requestNumber: 8 })).toBe(false);
    expect(answered.has({ ...request, receivedAtMs: clock.nowMs() + 11 * MINUTE_MS })).toBe(false);
  });

  it('are open again where that server is lost, unless the host was heard to have the tape', () => {
    const clock = new SimulatedClock();
    const answered = new AnsweredRequests(clock);
    const other = { ...REQUEST, requestNumber: 8 };
    answered.add(REQUEST, 'west', REQUEST);
    answered.add(other, 'west', other);
    answered.delete(other);
    expect(answered.takeOf('north')).toEqual([]);
    expect(answered.takeOf('west')).toEqual([REQUEST]);
    expect(answered.takeOf('west')).toEqual([]);
  });
});
