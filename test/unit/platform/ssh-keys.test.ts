import { describe, expect, it } from 'vitest';
import {
  generateSshKeyPair,
  parseSshKey,
  sshKeyFingerprint,
} from '../../../src/platform/ssh-keys.ts';

describe('SSH keys', () => {
  it('that are generated can be read back, both halves, every time', () => {
    // Of the pairs that ssh2 writes one in 256 or so cannot.
    for (let count = 0; count < 1500; count += 1) {
      const { privateKey, publicKey } = generateSshKeyPair('east');
      expect(sshKeyFingerprint(privateKey)).toBe(sshKeyFingerprint(publicKey));
    }
  });

  it('have the fingerprint that ssh-keygen -l shows', () => {
    const key =
      'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEcftzgEaJBp8QAE7jyY8u8mmorP2r13mlRCPAnmqLeO x';
    expect(sshKeyFingerprint(key)).toBe('SHA256:DahvWD6HsdfFp2HS38p3/ZOmH7z3sc1GfFL6oqxITho');
  });

  it('that are none are refused without being quoted', () => {
    const secret =
      '-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----';
    expect(() => parseSshKey('The host key', secret)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
    expect(() => parseSshKey('The host key', secret)).not.toThrow(/c2VjcmV0/);
  });
});
