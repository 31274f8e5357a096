/** The options that say which server tapes are copied to, and how it is reached. */
import { InvalidArgumentError, Option } from 'commander';
import { numberOption } from '../options.ts';
import { given, required } from './operation-command.ts';
import type { Values } from './operation-command.ts';

const PORT_DEFAULT = 4022;

/** As `capstan init` and ssh-keygen print one: 32 bytes in base64. */
export function fingerprint(text: string): string {
  if (/^SHA256:[A-Za-z0-9+/]{43}$/.test(text)) return text;
  throw new InvalidArgumentError(
    "It is SHA256: and 43 characters, as its server's log or ssh-keygen -l has it.",
  );
}

/** How another server is reached. */
export const SERVER_OPTIONS: readonly Option[] = [
  required('--address <address>', 'its address'),
  new Option('--port <port>', 'its SSH port')
    .argParser(numberOption(1, 65_535))
    .default(PORT_DEFAULT),
  new Option('--user <name>', 'its SSH user').default('capstan'),
  required('--host-key <fingerprint>', "the fingerprint of its host key, 'SHA256:…'").argParser(
    fingerprint,
  ),
  new Option('--transport <kind>', "this program's SSH, or the system's ssh")
    .choices(['ssh2', 'openssh'])
    .default('ssh2'),
];

export const TARGET_OPTIONS: readonly Option[] = [
  required('--to <server>', "the other server's name"),
  ...SERVER_OPTIONS,
];

/** The operation's `target` out of {@link TARGET_OPTIONS}. */
export function targetOf(options: Values): Values {
  return {
    server: options['to'],
    ...given(options, 'address', 'port', 'user', 'hostKey', 'transport'),
  };
}
