/** SSH keys: pairs, public keys out of files, and fingerprints, all in OpenSSH's forms. */
import { createHash } from 'node:crypto';
import ssh2 from 'ssh2';
import type { ParsedKey } from 'ssh2';
import { CapstanError } from '../base/errors.ts';

/** Algorithms that both sides of a replication link take: AES-GCM, so that no MAC is there to choose. */
export const SSH_ALGORITHMS = {
  kex: ['curve25519-sha256', 'curve25519-sha256@libssh.org', 'ecdh-sha2-nistp256'],
  cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com'],
  serverHostKey: ['ssh-ed25519'],
  compress: ['none'],
} as const;

/** The subsystem that carries the replication protocol. */
export const REPLICATION_SUBSYSTEM = 'capstan-replication';

export interface SshKeyPair {
  /** OpenSSH's private key file; to be kept with mode 0600. */
  readonly privateKey: string;
  /** A line of authorized_keys. */
  readonly publicKey: string;
}

/** A new ed25519 pair. */
export function generateSshKeyPair(comment: string): SshKeyPair {
  const pair = ssh2.utils.generateKeyPairSync('ed25519', { comment });
  return { privateKey: pair.private, publicKey: pair.public };
}

/** A key in OpenSSH's form; INVALID_ARGUMENT where it is none or no ed25519 key. */
export function parseSshKey(what: string, text: string): ParsedKey {
  const key = ssh2.utils.parseKey(text);
  if (key instanceof Error) {
    // The parser's message is left out: it could quote the key.
    throw new CapstanError('INVALID_ARGUMENT', { what, reason: 'it is no key in OpenSSH’s form' });
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
