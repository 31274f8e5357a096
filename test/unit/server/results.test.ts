import { expect, it } from 'vitest';
import { openApiDocument } from '../../../src/api/openapi.ts';
import { OPERATIONS, OPERATION_RESULTS } from '../../../src/server/operations.ts';
import { BMA_PROGRAM } from '../../../harness/peers/backup-application.ts';
import { expectAsDescribed } from './as-described.ts';
import { Bench, NODE, TARGET } from './bench.ts';
import { SharedBench } from './shared-bench.ts';
import { DrBench } from './instant-dr-bench.ts';
import { Yard } from '../../../harness/world/yard.ts';

type Json = Readonly<Record<string, unknown>>;

const PASSWORD = 'correct horse battery';
const DAY_MS = 86_400_000;

it('every operation has a schema of its result, and no other has', () => {
  expect(Object.keys(OPERATION_RESULTS).toSorted()).toEqual(Object.keys(OPERATIONS).toSorted());
});

it('the description tells of every operation what it results in', () => {
  const { paths } = openApiDocument('0.0.0') as {
    paths: Record<string, Record<string, { operationId: string; responses: Json }>>;
  };
  const told = Object.values(paths).flatMap((methods) => Object.values(methods));
  for (const name of Object.keys(OPERATIONS)) {
    const { responses = {} } = told.find(({ operationId }) => operationId === name) ?? {};
    const done = (responses['200'] ?? responses['201']) as Json | undefined;
    const content = done?.['content'] as { 'application/json': { schema: Json } } | undefined;
    expect(Object.keys(content?.['application/json'].schema ?? {}), name).toContain('type');
  }
});

it('every operation results in what its schema says, in the life of a server', async () => {
  const called = new Set<string>();
  type Call = (name: string, parameters?: object) => Promise<unknown>;
  const watched =
    (call: Call): Call =>
    async (name, parameters = {}) => {
      const result = await call(name, parameters);
      expectAsDescribed(name, result);
      called.add(name);
      return result;
    };
  await media(watched, await Yard.start());
  await server(watched);
  await instantDr(watched);
  await shared(watched);
  expect(Object.keys(OPERATIONS).filter((name) => !called.has(name))).toEqual([]);
});

type Watched = (
  call: (name: string, parameters?: object) => Promise<unknown>,
) => (name: string, parameters?: object) => Promise<unknown>;

/** Vaults, pools and tapes. */
async function media(watched: Watched, yard: Yard): Promise<void> {
  const call = watched((name, parameters) => yard.call(name, parameters));
  await call('vault.create', { name: 'VAULT02', path: '/VAULT02' });
  await call('vault.rename', { name: 'VAULT02', newName: 'VAULT03' });
  await call('vault.delete', { name: 'VAULT03' });
  await call('vault.open', { name: 'VAULT00' });
  await call('vault.list');
  await call('vault.show', { name: 'VAULT00' });
  await call('vault.collect', { name: 'VAULT00' });
  await call('pool.create', { name: 'NEW', vault: 'VAULT00', retentionMs: DAY_MS });
  await call('pool.modify', { name: 'NEW', quotaBytes: 1_000_000 });
  await call('pool.lock', { name: 'NEW' });
  await call('pool.list');
  await call('pool.show', { name: 'NEW' });
  await call('pool.unlock', { name: 'NEW' });
  await call('pool.rename', { name: 'NEW', newName: 'NEWER' });
  await call('pool.move', { name: 'NEWER', vault: 'VAULT01' });
  await call('pool.delete', { name: 'NEWER' });
  await call('tape.create', { name: 'NEW001', pool: 'POOL1' });
  await call('tape.create-range', {
    first: 'NEW001',
    last: 'NEW003',
    pool: 'POOL1',
    skipExisting: true,
  });
  await call('tape.rename', { name: 'NEW003', newName: 'NEW004' });
  await call('tape.move', { name: 'NEW004', pool: 'FAR' });
  await yard.write('NEW001', 7);
  await call('tape.lock', { name: 'NEW001' });
  await call('tape.show', { name: 'NEW001' });
  await call('tape.unlock', { name: 'NEW001' });
  await call('tape.set-metadata', { name: 'NEW001', item: 'owner', value: 'ADA' });
  await call('tape.metadata', { name: 'NEW001' });
  await call('tape.verify', { name: 'NEW001' });
  await call('tape.repair', { name: 'NEW001' });
  await call('tape.list', { pool: 'POOL1' });
  await call('tape.erase', { name: 'NEW001' });
  await call('tape.delete', { name: 'NEW001' });
  await yard.catalog.takeLock({
    tape: 'LAB001',
    pool: undefined,
    process: 'import 4',
    sinceMs: 0,
    reason: 'the content comes in',
  });
  await call('lock.list');
  await call('lock.remove', { tape: 'LAB001' });
}

/** What needs a server that runs. */
async function server(watched: Watched): Promise<void> {
  const program = { command: [BMA_PROGRAM, '{path}'], keywords: [], timeoutMs: 60_000 };
  const bench = await Bench.start({
    copies: true,
    settings: { hsm: { enable: true, backup: { TSM: program } }, cleanup: { enable: true } },
  });
  const call = watched((name, parameters) => bench.east.call(name, parameters));
  await call('host.list');
  await call('host.show', { name: NODE });
  await call('drive.create', { name: 'VTD02', host: NODE, device: '$TAPE1' });
  await call('drive.list');
  await call('drive.show', { name: 'VTD01' });
  await call('drive.delete', { name: 'VTD02' });
  bench.setLink(false);
  await bench.backUp(1);
  await bench.world.advance(2_000);
  await call('autocopy.status');
  await call('autocopy.queue');
  await call('autocopy.cancel', { name: 'LAB001' });
  await call('autocopy.retry', { name: 'LAB001' });
  bench.setLink(true);
  await call('autocopy.repeat', { name: 'LAB001' });
  await bench.world.advance(2_000);
  await call('autocopy.create', {
    pool: 'POOL1',
    target: { ...TARGET, server: 'north' },
    targetPool: 'DR',
    bytesPerSecond: 1_000_000,
  });
  await call('autocopy.list');
  await call('autocopy.change', { id: 2, bytesPerSecond: null });
  await call('autocopy.show', { id: 2 });
  await call('autocopy.delete', { id: 2 });
  await call('mount.create', { tape: 'LAB001', drive: 'VTD01', ring: true });
  await bench.request('LAB002');
  await call('mount.list');
  await call('server.status');
  await call('mount.drop', { host: NODE, requestNumber: 102 });
  await call('mount.end', { tape: 'LAB001' });
  await call('host.restart');
  await call('policy.run', { text: "VTSPolicy TSM 'archive /VAULT00/POOL1'" });
  await call('policy.list');
  await call('cleanup.scan');
  await call('cleanup.forbid', { tapes: ['LAB002'] });
  await call('cleanup.authorize', { tapes: ['LAB001'] });
  await call('cleanup.show');
  await call('cleanup.erase');
  await call('cleanup.reset');
  await call('server.metrics');
  await call('server.set-debug', { level: 'info' });
  await call('server.debug');
  await call('events.list');
  await access(watched, bench);
  await call('licence.list');
  await call('licence.remove', { number: 'LABORATORY' });
  await call('licence.add', { key: 'LABORATORY' });
}

async function access(watched: Watched, bench: Bench): Promise<void> {
  const call = watched((name, parameters) => bench.east.call(name, parameters));
  await call('access.show');
  await call('access.revoke', { group: 'Operations', right: 'view-log-files' });
  await call('access.grant', { group: 'Operations', right: 'view-log-files' });
  await call('user.create', { name: 'mary', group: 'Operations', password: PASSWORD });
  await call('user.set', { name: 'mary', vaults: ['VAULT00'] });
  await call('user.show', { name: 'mary' });
  await call('user.grant', { name: 'mary', right: 'erase-cartridges' });
  await call('user.revoke', { name: 'mary', right: 'erase-cartridges' });
  await call('user.unlock', { name: 'mary' });
  const { operations, access: door } = bench.east.server;
  const mary = await bench.finish(
    door.authenticate('mary', PASSWORD, { address: '192.0.2.7', program: 'API' }),
  );
  const callAsMary = watched((name, parameters) =>
    bench.finish(operations.callAs(mary, name, parameters)),
  );
  await callAsMary('account.show');
  await callAsMary('account.password', { current: PASSWORD, password: `${PASSWORD} 2` });
  await call('user.password', { name: 'mary', password: PASSWORD });
  const token = await call('token.create', { user: 'mary', purpose: 'a test' });
  await call('session.list');
  await call('session.end', { id: (token as { id: number }).id });
  await call('user.list');
  await call('user.delete', { name: 'mary' });
  await call('access.restore', { mode: 'open' });
}

async function instantDr(watched: Watched): Promise<void> {
  const pair = await DrBench.startPair();
  const call = watched((name, parameters) => pair.east.call(name, parameters));
  await pair.bench.backUp(1);
  await call('idr.list');
  await call('idr.show', { name: 'NIGHTLY' });
  await call('idr.change', { name: 'NIGHTLY', schedules: ['daily at 01:00'] });
  await call('idr.dispatch', { name: 'NIGHTLY' });
  await call('idr.status');
  await pair.bench.world.advance(60_000);
  await call('idr.verify', { name: 'NIGHTLY' });
  await call('idr.cancel', { name: 'NIGHTLY' });
  await pair.bench.world.advance(60_000);
  await call('idr.runs');
  await call('idr.report', { id: 1 });
  await call('idr.swap', { name: 'NIGHTLY' });
  await call('idr.create', {
    name: 'OTHER',
    target: TARGET,
    sources: [{ vault: 'VAULT00' }],
    deletions: 'delete',
  });
  await call('idr.delete', { name: 'OTHER' });
}

async function shared(watched: Watched): Promise<void> {
  const bench = new SharedBench();
  await bench.finish(bench.east.server.start());
  await bench.finish(bench.west.server.start());
  const east = watched((name, parameters) => bench.call(bench.east, name, parameters));
  const west = watched((name, parameters) => bench.call(bench.west, name, parameters));
  await east('vault.create', { name: 'VAULT00', path: '/shared' });
  await east('vault.share', { name: 'VAULT00' });
  await east('isc.add', { ...TARGET, server: 'west' });
  await west('isc.add', { ...TARGET, server: 'east', address: '10.0.0.1' });
  await bench.world.advance(5_000);
  await west('vault.join', { name: 'VAULT00', path: '/shared' });
  await bench.world.advance(5_000);
  await east('isc.list');
  await west('vault.show', { name: 'VAULT00' });
  await west('vault.leave', { name: 'VAULT00' });
  await east('isc.remove', { server: 'west' });
}
