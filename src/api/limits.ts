/** Every limit of the HTTP API, in one place; docs/reference/api.md lists them. */
import { KIB, MIB, MINUTE_MS, SECOND_MS } from '../base/units.ts';

export const API_LIMITS = {
  /** A request's body; checked before more of it is kept. */
  bodyBytesMax: MIB,
  /** Request line and headers together. */
  headerBytesMax: 16 * KIB,
  /** From the first byte of a request until its headers are whole. */
  headersTimeoutMs: 10 * SECOND_MS,
  /** From the first byte of a request until its body is whole. */
  requestTimeoutMs: 20 * SECOND_MS,
  /** An idle connection that is kept for a next request. */
  keepAliveTimeoutMs: 30 * SECOND_MS,
  /** Of one door: the TCP port, or the control socket. */
  connectionCountMax: 256,
  /** Requests under way, streams of events not counted. */
  requestCountMax: 64,
  /** Streams of events at a time. */
  streamCountMax: 32,
  /** Events that a reader of a stream may be behind; one more, and it is dropped. */
  streamBacklogMax: 2000,
  /** How often a silent stream says that it is alive, and asks whether its reader may still read. */
  heartbeatIntervalMs: 15 * SECOND_MS,
  /** Until a reader has taken why its stream ends; then it is dropped. */
  streamClosingTimeoutMs: 2 * SECOND_MS,
  /** Entries of the event log that a stream reads at once when it resumes. */
  resumePageCount: 1000,
  /** Log-ons of one address in `logonWindowMs`, good or bad. */
  logonCountMax: 20,
  logonWindowMs: MINUTE_MS,
  /** Addresses whose log-ons are counted. */
  logonAddressesMax: 10_000,
  /** Until requests under way have ended, when the server stops. */
  drainTimeoutMs: 10 * SECOND_MS,
  /** What a client keeps of an answer. */
  answerBytesMax: 64 * MIB,
} as const;
