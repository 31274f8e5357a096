/**
 * What servers of shared vaults say to each other: the parameters of the calls and notes of an ISC session,
 * as they are checked where they come in.
 */
import { z } from 'zod';
import { CapstanError } from '../base/errors.ts';
import type { IscSession } from '../isc/session.ts';
import { NAME_PATTERNS } from '../base/names.ts';
import { generation, logicalObjectNumber } from '../base/units.ts';
import { REQUEST_NUMBER_MAX } from '../ems/zsvr-events.ts';
import { BLOCK_BYTES_MAX, PARTITION_COUNT_MAX } from '../tape/image-call.ts';
import { RECORDS } from './shared-records.ts';

/** Mounts of a server: a drive has one. */
const MOUNTS_MAX = 1000;

const vault = z.string().regex(NAME_PATTERNS.vault);
const tape = z.string().regex(NAME_PATTERNS.tape);
const server = z.string().regex(NAME_PATTERNS.server);
const host = z.string().regex(NAME_PATTERNS.host);
const requestNumber = z.int().min(0).max(REQUEST_NUMBER_MAX);
/** By what both sides know a mount: 16 random bytes of the guest's. */
const token = z.string().regex(/^[0-9a-f]{32}$/);
const tokens = z.array(token).max(MOUNTS_MAX);
const partition = z
  .int()
  .min(0)
  .max(PARTITION_COUNT_MAX - 1);
const at = z.int().min(0).transform(logicalObjectNumber);
const version = z.int().min(0).transform(generation);
const identities = z.record(vault, z.string().regex(/^[0-9a-f]{32}$/));

/** Blocks of a read at most. */
const READ_COUNT_MAX = 65_536;
const READ_BYTES_MAX = 2 * BLOCK_BYTES_MAX;

/** Parameters by method. Calls go from a guest to the keeper, but for `hello`, which anybody makes. */
export const ISC_CALLS = {
  /**
   * Who calls, and which mounts of an earlier session it still has; the answer is who is called, which
   * shared vaults it keeps, and which of the mounts go on.
   */
  hello: z.strictObject({ server, mounts: tokens }),
  /** From now on, the records of the vault; the answer is how many there are now. */
  subscribe: z.strictObject({ vault }),
  /** Of those that there were then, some. */
  records: z.strictObject({ vault, from: z.int().min(0) }),
  mount: z.strictObject({
    token,
    vault,
    tape,
    ring: z.boolean(),
    drive: z.string().regex(NAME_PATTERNS.drive),
    host,
    requestNumber: requestNumber.optional(),
  }),
  'end-mount': z.strictObject({ token, interrupted: z.boolean() }),
  append: z.strictObject({
    token,
    partition,
    at,
    lengths: z.array(z.int().min(0).max(BLOCK_BYTES_MAX)),
  }),
  read: z.strictObject({
    token,
    partition,
    at,
    direction: z.enum(['forward', 'reverse']),
    countMax: z.int().min(1).max(READ_COUNT_MAX),
    bytesMax: z.int().min(1).max(READ_BYTES_MAX),
  }),
  space: z.strictObject({
    token,
    partition,
    at,
    over: z.enum(['blocks', 'filemarks']),
    count: z.int(),
  }),
  locate: z.strictObject({ token, partition, at }),
  truncate: z.strictObject({ token, partition, at }),
  sync: z.strictObject({ token, generation: version }),
  /** Carries out an operation on the vault for a user of the other server. */
  operation: z.strictObject({
    vault,
    name: z.string().max(40),
    parameters: z.unknown(),
    user: z.string().max(15),
  }),
} as const;
export type IscCall = keyof typeof ISC_CALLS;

/** Parameters by note. */
export const ISC_NOTES = {
  /** The shared vaults that who sends this keeps, with their identities. */
  keeps: z.strictObject({ vaults: identities }),
  /** What changed of a vault that was subscribed to. */
  changed: z.strictObject({ vault, records: RECORDS }),
  /** A request of a host was satisfied. */
  answered: z.strictObject({ host, requestNumber }),
} as const;
export type IscNote = keyof typeof ISC_NOTES;

/** Answers by method, where there is one. */
export const ISC_ANSWERS = {
  hello: z.strictObject({ server, vaults: identities, mounts: tokens }),
  subscribe: z.strictObject({ count: z.int().min(0) }),
  records: z.strictObject({ records: RECORDS }),
  mount: z.strictObject({
    generation: version,
    /** The tape's row, as it is now. */
    tape: RECORDS.transform((records) =>
      records.flatMap((each) => (each.is === 'tape' ? [each.row] : [])),
    ),
    partitions: z.array(
      z.strictObject({
        objectCount: z.int(),
        filemarkCount: z.int(),
        payloadBytes: z.int(),
        chunkCount: z.int(),
      }),
    ),
  }),
  'end-mount': z.strictObject({
    atMs: z.number(),
    /** Where the content is another than at the mount. */
    content: z
      .strictObject({
        generation: version,
        payloadBytes: z.int().min(0),
        manifestDigest: z.string().max(128),
      })
      .optional(),
  }),
  append: z.strictObject({ objectCount: at }),
  truncate: z.strictObject({ objectCount: at }),
  read: z.strictObject({
    lengths: z.array(z.int().min(0)),
    stoppedBy: z.enum(['limit', 'filemark', 'end-of-data', 'beginning-of-partition', 'damaged']),
  }),
  space: z.strictObject({
    at,
    residual: z.int(),
    stoppedBy: z.enum(['count', 'filemark', 'end-of-data', 'beginning-of-partition']),
  }),
  sync: z.null(),
  locate: z.strictObject({
    at,
    objectCount: at,
    filemarksBefore: z.int(),
    bytesBefore: z.int(),
  }),
} as const;

type AnswerTo<Method extends keyof typeof ISC_ANSWERS> = z.infer<(typeof ISC_ANSWERS)[Method]>;

/** The answer to a call, checked. */
export interface Answered<Method extends keyof typeof ISC_ANSWERS> {
  readonly answer: AnswerTo<Method>;
  readonly data: Uint8Array;
}

/** Calls, and checks the answer. Rejects as the call, and PROTOCOL_VIOLATION. */
export async function ask<Method extends keyof typeof ISC_ANSWERS>(
  session: IscSession,
  method: Method,
  parameters: object,
  data?: Uint8Array,
): Promise<Answered<Method>> {
  const reply = await session.call(method, parameters, data);
  const parsed = ISC_ANSWERS[method].safeParse(reply.result);
  if (parsed.success) return { answer: parsed.data as AnswerTo<Method>, data: reply.data };
  const what = `its answer to ${method} is malformed`;
  throw new CapstanError('PROTOCOL_VIOLATION', { peer: session.peer, what });
}
