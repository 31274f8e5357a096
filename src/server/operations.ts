/**
 * What an operator can have a server do: one table of operations by name, each with the schema of its
 * parameters. The running server's control socket and the command line without a server both call it.
 */
import { z } from 'zod';
import { CapstanError } from '../base/errors.ts';
import { checkName } from '../base/names.ts';
import type { NameKind } from '../base/names.ts';
import { GIB } from '../base/units.ts';
import type { CopyRuleRow, DriveRow } from '../ports/catalog.ts';
import type { ServerContext } from './context.ts';
import type { Mounts } from './mounts.ts';
import { collectVault } from './collect.ts';
import { repairTape } from './repair.ts';
import { createTape, deleteTape, tapeOf, verifyTapes } from './tapes.ts';
import type { TapeServices } from './tapes.ts';

/** What a tape holds unless told otherwise: as much as an LTO-3 cartridge. */
const TAPE_CAPACITY_BYTES_DEFAULT = 400 * GIB;
const TAPE_CAPACITY_BYTES_MAX = 1024 * 1024 * GIB;
const PATH_CHARS_MAX = 4096;
const NAME_CHARS_MAX = 1000;
const REASON_CHARS_MAX = 200;
const EVENT_LIMIT_MAX = 10_000;
/** How many drives the serial numbers are counted for. */
const SERIAL_DIGITS = 8;

export interface OperationContext extends TapeServices {
  readonly mounts: Mounts;
}

// A name is a string here: checkName says by name and pattern what is wrong with it.
const text = z.string().max(NAME_CHARS_MAX);
const byName = z.strictObject({ name: text });
const byId = z.strictObject({ id: z.int().min(1) });
const nothing = z.strictObject({});

const target = z.strictObject({
  server: text,
  address: z
    .string()
    .max(255)
    .regex(/^[A-Za-z0-9:[][A-Za-z0-9.:%[\]-]*$/, 'it is no address'),
  port: z.int().min(1).max(65_535),
  user: z
    .string()
    .max(32)
    .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/, 'it is no user name'),
  hostKey: z
    .string()
    .max(100)
    .regex(/^SHA256:\S+$/, "it is no fingerprint like 'SHA256:…'"),
  transport: z.enum(['ssh2', 'openssh']),
});

interface Operation<Schema extends z.ZodType = z.ZodType> {
  readonly parameters: Schema;
  readonly run: (services: OperationContext, parameters: z.infer<Schema>) => Promise<unknown>;
}

function operation<Schema extends z.ZodType>(
  parameters: Schema,
  run: Operation<Schema>['run'],
): Operation {
  return { parameters, run: (services, values) => run(services, values as z.infer<Schema>) };
}

function found<Row>(kind: string, name: string | number, row: Row | undefined): Row {
  if (row === undefined) throw new CapstanError('NOT_FOUND', { kind, name });
  return row;
}

async function byNameOf<Row extends { readonly name: string }>(
  kind: NameKind,
  wanted: string,
  rows: Promise<readonly Row[]>,
): Promise<Row> {
  checkName(kind, wanted);
  return found(
    kind,
    wanted,
    (await rows).find((row) => row.name === wanted),
  );
}

export const OPERATIONS: Readonly<Record<string, Operation>> = {
  'vault.create': operation(
    z.strictObject({ name: text, path: z.string().min(1).max(PATH_CHARS_MAX) }),
    ({ vaults }, { name, path }) => vaults.create(name, path),
  ),
  'vault.list': operation(nothing, ({ context }) => context.ports.catalog.listVaults()),
  'vault.show': operation(byName, async ({ context, vaults }, { name }) => {
    const row = await byNameOf('vault', name, context.ports.catalog.listVaults());
    return { ...row, ...(await vaults.engine(name).statistics()) };
  }),

  'vault.collect': operation(
    z.strictObject({
      name: text,
      liveShare: z.number().min(0).max(1).optional(),
      rateBytesPerSecond: z.number().min(1).optional(),
    }),
    collectVault,
  ),

  'pool.create': operation(
    z.strictObject({ name: text, vault: text }),
    async ({ context }, { name, vault }) => {
      const { catalog, clock } = context.ports;
      checkName('pool', name);
      const row = { name, vault: checkName('vault', vault), createdAtMs: clock.nowMs() };
      await catalog.createPool(row);
      return row;
    },
  ),
  'pool.list': operation(nothing, ({ context }) => context.ports.catalog.listPools()),
  'pool.show': operation(byName, async ({ context }, { name }) => {
    const { catalog } = context.ports;
    const row = await byNameOf('pool', name, catalog.listPools());
    const tapes = await catalog.listTapes(name);
    return {
      ...row,
      tapeCount: tapes.length,
      payloadBytes: tapes.reduce((sum, tape) => sum + tape.payloadBytes, 0),
    };
  }),

  'tape.create': operation(
    z.strictObject({
      name: text,
      pool: text,
      labelType: z.enum(['ansi', 'backup', 'unlabelled']).default('ansi'),
      capacityBytes: z
        .int()
        .min(1)
        .max(TAPE_CAPACITY_BYTES_MAX)
        .default(TAPE_CAPACITY_BYTES_DEFAULT),
    }),
    createTape,
  ),
  'tape.list': operation(
    z.strictObject({ pool: text.optional() }),
    async ({ context }, { pool }) => {
      if (pool !== undefined) await byNameOf('pool', pool, context.ports.catalog.listPools());
      return context.ports.catalog.listTapes(pool);
    },
  ),
  'tape.show': operation(byName, async ({ context }, { name }) => {
    const { catalog } = context.ports;
    const row = await tapeOf(context, name);
    const jobs = await catalog.listCopyJobs();
    return {
      ...row,
      generations: await catalog.listGenerations(name),
      copies: jobs.filter((job) => job.tape === name),
    };
  }),
  'tape.delete': operation(byName, deleteTape),
  'tape.verify': operation(z.strictObject({ name: text.optional() }), verifyTapes),
  'tape.repair': operation(
    z.strictObject({
      name: text,
      fromVault: text.optional(),
      fromStore: z.string().min(1).max(PATH_CHARS_MAX).optional(),
    }),
    repairTape,
  ),

  'drive.create': operation(
    z.strictObject({
      name: text,
      host: text,
      device: text,
      serialNumber: z
        .string()
        .regex(/^[A-Z0-9]{1,20}$/, 'it is 1 to 20 capitals and digits')
        .optional(),
    }),
    createDrive,
  ),
  'drive.list': operation(nothing, async ({ context, mounts }) =>
    (await context.ports.catalog.listDrives()).map((row) => withState(mounts, row)),
  ),
  'drive.show': operation(byName, async ({ context, mounts }, { name }) =>
    withState(mounts, await byNameOf('drive', name, context.ports.catalog.listDrives())),
  ),
  'drive.delete': operation(byName, ({ context, mounts }, { name }) =>
    context.decisions.run(async () => {
      await context.ports.catalog.deleteDrive(checkName('drive', name));
      mounts.removeDrive(name);
      return { name };
    }),
  ),

  'mount.list': operation(nothing, async ({ context }) => ({
    mounts: await context.ports.catalog.listMounts({ open: true }),
    requests: await context.ports.catalog.listMountRequests(),
  })),

  // The pool's tapes are copied from their next dismount on; those that it has already, not before.
  'autocopy.create': operation(
    z.strictObject({ pool: text, target, targetPool: text }),
    async ({ context }, rule) => {
      checkName('pool', rule.targetPool);
      checkName('server', rule.target.server);
      await byNameOf('pool', rule.pool, context.ports.catalog.listPools());
      if (rule.target.server === context.settings.serverName) {
        throw new CapstanError('INVALID_ARGUMENT', {
          what: `The target ${rule.target.server}`,
          reason: 'a server does not copy tapes to itself',
        });
      }
      return context.ports.catalog.createCopyRule(rule);
    },
  ),
  'autocopy.list': operation(nothing, ({ context }) => context.ports.catalog.listCopyRules()),
  'autocopy.show': operation(byId, ({ context }, { id }) => ruleOf(context, id)),
  'autocopy.delete': operation(byId, async ({ context, autocopy }, { id }) => {
    await ruleOf(context, id);
    await context.ports.catalog.deleteCopyRule(id);
    autocopy.endCopies((copy) => copy.ruleId === id);
    return { id };
  }),
  'autocopy.repeat': operation(byName, repeatCopies),
  'autocopy.status': operation(nothing, ({ context }) => context.ports.catalog.listCopyJobs()),

  'events.list': operation(
    z.strictObject({
      afterId: z.int().min(0).optional(),
      limit: z.int().min(1).max(EVENT_LIMIT_MAX).default(50),
    }),
    ({ context }, { afterId, limit }) =>
      context.ports.catalog.listEvents({ limit, ...(afterId !== undefined && { afterId }) }),
  ),

  'server.status': operation(nothing, async ({ context, autocopy }) => {
    const { catalog } = context.ports;
    const jobs = await catalog.listCopyJobs();
    return {
      name: context.settings.serverName,
      systemId: context.settings.systemId,
      hosts: context.settings.hosts.map((each) => each.host),
      vaultCount: (await catalog.listVaults()).length,
      tapeCount: (await catalog.listTapes()).length,
      openMountCount: (await catalog.listMounts({ open: true })).length,
      waitingRequestCount: (await catalog.listMountRequests()).length,
      dueCopyCount: jobs.filter((job) => job.state === 'due').length,
      failedCopyCount: jobs.filter((job) => job.state === 'failed').length,
      copiesUnderWay: autocopy.progress(),
    };
  }),
};

export class Operations {
  readonly #services: OperationContext;

  constructor(services: OperationContext) {
    this.#services = services;
  }

  /** Rejects INVALID_ARGUMENT for an unknown name or wrong parameters, else as the operation does. */
  async call(name: string, parameters: unknown): Promise<unknown> {
    const entry = Object.hasOwn(OPERATIONS, name) ? OPERATIONS[name] : undefined;
    if (entry === undefined) {
      const what = `The operation ${JSON.stringify(name.slice(0, 40))}`;
      throw new CapstanError('INVALID_ARGUMENT', { what, reason: 'there is none of that name' });
    }
    const parsed = entry.parameters.safeParse(parameters ?? {});
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      const place = issue?.path.join('.') ?? '';
      throw new CapstanError('INVALID_ARGUMENT', {
        what: place === '' ? `What ${name} was given` : `${place} of ${name}`,
        reason: sentencePart(issue?.message ?? 'it is malformed'),
      });
    }
    return entry.run(this.#services, parsed.data);
  }
}

/** One line without an end, of a length that a terminal bears. */
function sentencePart(message: string): string {
  return message.replaceAll(/\s+/g, ' ').replace(/\.$/, '').slice(0, REASON_CHARS_MAX);
}

/** Has a tape copied again wherever its pool is copied to, whether or not it was: what is damaged there heals. */
async function repeatCopies(
  { context, autocopy }: OperationContext,
  { name }: { readonly name: string },
): Promise<{ readonly name: string; readonly targets: readonly string[] }> {
  const { catalog, clock } = context.ports;
  const tape = await tapeOf(context, name);
  const rules = await catalog.listCopyRules(tape.pool);
  if (rules.length === 0) {
    throw new CapstanError('NOT_FOUND', { kind: 'pool with an AutoCopy rule', name: tape.pool });
  }
  const jobs = (await catalog.listCopyJobs()).filter((job) => job.tape === name);
  for (const { id: ruleId } of rules) {
    const atMs = clock.nowMs();
    await catalog.putCopyJob({
      tape: name,
      ruleId,
      generation: tape.generation,
      state: 'due',
      attempts: 0,
      queuedAtMs: atMs,
      nextAttemptAtMs: atMs,
      copiedGeneration: jobs.find((job) => job.ruleId === ruleId)?.copiedGeneration,
      lastError: undefined,
      bytesSent: 0,
    });
  }
  if (context.settings.offline !== true) autocopy.wake();
  return { name, targets: rules.map((rule) => rule.target.server) };
}

async function ruleOf(context: ServerContext, id: number): Promise<CopyRuleRow> {
  const rules = await context.ports.catalog.listCopyRules();
  return found(
    'AutoCopy rule',
    id,
    rules.find((rule) => rule.id === id),
  );
}

function withState(mounts: Mounts, row: DriveRow): DriveRow & { readonly tape?: string } {
  const volume = mounts.volumeIn(row.name);
  return { ...row, ...(volume !== undefined && { tape: volume }) };
}

async function createDrive(
  { context, mounts }: OperationContext,
  parameters: {
    readonly name: string;
    readonly host: string;
    readonly device: string;
    readonly serialNumber?: string | undefined;
  },
): Promise<DriveRow> {
  const { catalog } = context.ports;
  const name = checkName('drive', parameters.name);
  const host = checkName('host', parameters.host);
  const device = checkName('device', parameters.device);
  return context.decisions.run(async () => {
    const drives = await catalog.listDrives();
    const serialNumber = parameters.serialNumber ?? freeSerialNumber(drives);
    const row = { name, host, device, serialNumber };
    await catalog.createDrive(row);
    mounts.addDrive(row);
    // A request may have waited for it.
    mounts.lookAgain();
    return row;
  });
}

/** The lowest that no drive has. */
function freeSerialNumber(drives: readonly DriveRow[]): string {
  const taken = new Set(drives.map((drive) => drive.serialNumber));
  for (let number = 1; ; number += 1) {
    const serialNumber = `VTD${String(number).padStart(SERIAL_DIGITS, '0')}`;
    if (!taken.has(serialNumber)) return serialNumber;
  }
}
