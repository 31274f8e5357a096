/** SSH keys: pairs, public keys out of files, and fingerprints, all in OpenSSH's forms. */
import { createHash } from 'node:crypto';
import type { ParsedKey } from 'ssh2';
import { AssertionError } from '../base/assert.ts';
import { CapstanError } from '../base/errors.ts';
import type { LinkService } from '../ports/replication-link.ts';
import { ssh2 } from './ssh2-packets.ts';

/** Algorithms that both sides of a replication link take: AES-GCM, so that no MAC is there to choose. */
export const SSH_ALGORITHMS = {
  kex: ['curve25519-sha256', 'curve25519-sha256@libssh.org', 'ecdh-sha2-nistp256'],
  cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com'],
  serverHostKey: ['ssh-ed25519'],
  compress: ['none'],
} as const;

/** The subsystems of a server: what carries the replication protocol, and the ISC of shared vaults. */
export const SUBSYSTEMS = {
  replication: 'capstan-replication',
  isc: 'capstan-isc',
} as const satisfies Record<LinkService, string>;

export interface SshKeyPair {
  /** OpenSSH's private key file; to be kept with mode 0600. */
  readonly privateKey: string;
  /** A line of authorized_keys. */
  readonly publicKey: string;
}

/** Pairs that are made until one can be read back; each fails with a chance of 1 in 256. */
const GENERATE_TRIES_MAX = 16;

/**
 * A new ed25519 pair. Of the pairs that ssh2 1.17.0 writes about one in 256 cannot be read, not even
 * by itself (18 of 4000 tried): such a one is thrown away.
 */
export function generateSshKeyPair(comment: string): SshKeyPair {
  for (let tries = 0; tries < GENERATE_TRIES_MAX; tries += 1) {
    const pair = ssh2.utils.generateKeyPairSync('ed25519', { comment });
    const privateKey = ssh2.utils.parseKey(pair.private);
    const publicKey = ssh2.utils.parseKey(pair.public);
    if (privateKey instanceof Error || publicKey instanceof Error) continue;
    if (!privateKey.getPublicSSH().equals(publicKey.getPublicSSH())) continue;
    return { privateKey: pair.private, publicKey: pair.public };
  }
  throw new AssertionError(`one of ${GENERATE_TRIES_MAX} new keys can be read`);
}

/** A key in OpenSSH's form; INVALID_ARGUMENT where it is none or no ed25519 key. */
export function parseSshKey(what: string, text: string): ParsedKey {
  const key = ssh2.utils.parseKey(text);
  if (key instanceof Error) {
    // The parser's message is left out: it could quote the key.
    throw new CapstanError('INVALID_ARGUMENT', {
      what,
      reason: 'it is no key in the form of OpenSSH',
    });
  }
  if (key.type === 'ssh-ed25519') return key;
  throw new CapstanError('INVALID_ARGUMENT', {
    what,
    reason: `a ${key.type} key is no ed25519 key`,
  });
}

/** 'SHA256:…' of a public key's blob, as `ssh-keygen -l` shows it. */
export function fingerprintOfBlob(blob: Uint8Array): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}

/** The fingerprint of a public key, or of the public half of a private one, in OpenSSH's form. */
export function sshKeyFingerprint(key: string): string {
  return fingerprintOfBlob(parseSshKey('The SSH key', key).getPublicSSH());
}
