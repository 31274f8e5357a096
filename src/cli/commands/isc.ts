/** `capstan isc …`. */
import { Option } from 'commander';
import { given, nothing } from './operation-command.ts';
import type { CommandGroup } from './operation-command.ts';
import { SERVER_OPTIONS, fingerprint } from './target-options.ts';

export const ISC_COMMANDS: CommandGroup = {
  description: 'inter-system communication: the servers that share vaults with this one',
  commands: [
    {
      usage: 'list',
      description: 'the other servers, whether they can be reached, and what they keep',
      operation: 'isc.list',
      parameters: nothing,
      shows: 'peer',
      examples: ['capstan isc list'],
    },
    {
      usage: 'add <server>',
      description: 'make a server known that shares vaults, or change how it is reached',
      operation: 'isc.add',
      options: [
        ...SERVER_OPTIONS,
        new Option(
          '--client-key <fingerprint>',
          'of the key that it shows when it calls',
        ).argParser(fingerprint),
      ],
      parameters: (args, options) => ({
        server: args[0],
        ...given(options, 'address', 'port', 'user', 'hostKey', 'transport', 'clientKey'),
      }),
      shows: 'fields',
      examples: ['capstan isc add west --address 10.0.0.2 --host-key SHA256:wM0…'],
      notes:
        "Each of the two servers has to know the other, and to have the other's public key in its\nkeys/authorized_keys: `capstan init` printed key and fingerprint.\n`ssh-keygen -lf keys/client_key.pub` there shows the fingerprint for --client-key; without it, the key\nwith which it first calls is its key from then on.",
    },
    {
      usage: 'remove <server>',
      description: 'forget a server that shares vaults',
      operation: 'isc.remove',
      parameters: (args) => ({ server: args[0] }),
      shows: 'fields',
      examples: ['capstan isc remove west'],
    },
  ],
};
