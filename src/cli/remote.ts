/** Which server a command is about: the one of a home on this machine, or one at a URL. */
import { open } from 'node:fs/promises';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { CapstanError } from '../base/errors.ts';
import { readSecretFile } from './configuration.ts';
import { homeFolder } from './home.ts';
import { CommandFailure, EXIT } from './context.ts';
import type { CliContext } from './context.ts';

/** A server at a URL. */
export interface RemoteServer {
  readonly url: URL;
  readonly tokenFile: string | undefined;
  /** PEM file of the authorities that are trusted instead of the system's. */
  readonly authoritiesFile: string | undefined;
  /** Whether an option named it: the environment alone gives way to --home. */
  readonly isAsked: boolean;
}

export type ServerAddress = { readonly home: string } | RemoteServer;

interface RemoteOptions {
  readonly server?: URL;
  readonly tokenFile?: string;
  readonly caFile?: string;
}

/** Adds what every command takes of a server elsewhere. */
export function addRemoteOptions(program: Command): void {
  program
    .option('--server <url>', 'the server at this URL (else CAPSTAN_SERVER)', serverUrl)
    .option('--token-file <file>', 'what it knows one by (else CAPSTAN_TOKEN_FILE)')
    .option('--ca-file <file>', 'trust these authorities instead (else CAPSTAN_CA_FILE)');
}

/** Undefined where neither options nor environment name a server. */
export function remoteOf(
  program: Command,
  environment: CliContext['environment'],
): RemoteServer | undefined {
  const { server, tokenFile, caFile } = program.opts<RemoteOptions>();
  const given = (name: string): string | undefined =>
    environment[name] === '' ? undefined : environment[name];
  const url = server ?? environmentUrl(given('CAPSTAN_SERVER'));
  if (url === undefined) return undefined;
  return {
    url,
    tokenFile: tokenFile ?? given('CAPSTAN_TOKEN_FILE'),
    authoritiesFile: caFile ?? given('CAPSTAN_CA_FILE'),
    isAsked: server !== undefined,
  };
}

function environmentUrl(text: string | undefined): URL | undefined {
  if (text === undefined) return undefined;
  try {
    return serverUrl(text);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw new CommandFailure(`CAPSTAN_SERVER is refused: ${error.message}`, EXIT.USAGE);
  }
}

const LOOPBACK = /^(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])$/;

function serverUrl(text: string): URL {
  const url = URL.parse(text);
  const isBare = url?.pathname === '/' && url.search === '' && url.hash === '';
  if (url === null || !isBare || !/^https?:$/.test(url.protocol) || url.username !== '') {
    throw new InvalidArgumentError('A server is a URL like https://tapes.example.com:4080.');
  }
  if (url.protocol === 'http:' && !LOOPBACK.test(url.hostname)) {
    throw new InvalidArgumentError('Over http: the token could be read on the way; use https.');
  }
  return url;
}

/** The server that a command is about. */
export function addressOf(options: { readonly home?: string }, context: CliContext): ServerAddress {
  const { server } = context;
  if (server === undefined || (options.home !== undefined && !server.isAsked)) {
    return { home: homeFolder(options.home, context.environment) };
  }
  if (options.home === undefined) return server;
  throw new CommandFailure('--home and --server name two servers; give one.', EXIT.USAGE);
}

/** The token in the server's file; undefined where none is named. */
export async function readToken({ tokenFile }: RemoteServer): Promise<string | undefined> {
  if (tokenFile === undefined) return undefined;
  return (await readSecretFile('token', tokenFile)).trim();
}

/** Writes a token that only its owner may read. Rejects DISK_IO. */
export async function writeToken(path: string, token: string): Promise<void> {
  try {
    await using file = await open(path, 'w', 0o600);
    await file.chmod(0o600);
    await file.writeFile(`${token}\n`);
  } catch (cause) {
    const what = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    throw new CapstanError('DISK_IO', { place: path, what }, { cause });
  }
}
