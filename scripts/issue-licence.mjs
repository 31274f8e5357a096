/**
 * Issues licence keys, and makes the key pairs that sign them.
 *
 *   node scripts/issue-licence.mjs new-pair PRIVATE.pem      makes a pair; prints the public key
 *   node scripts/issue-licence.mjs issue PRIVATE.pem '{"number":"L1","holder":"Example","features":["autocopy"]}'
 *
 * The private key is read from a file, and never from an argument. `issued` is today unless it is given; the
 * other fields are those of src/server/licence-keys.ts, which reads the key back before it is printed. The
 * public key that new-pair prints goes into LICENCE_PUBLIC_KEYS there.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { systemCryptography } from '../src/platform/system-cryptography.ts';
import { LICENCE_CONTEXT, readLicenceKey } from '../src/server/licence-keys.ts';

const USAGE = `usage: issue-licence.mjs new-pair PRIVATE.pem
       issue-licence.mjs issue PRIVATE.pem '{"number":…,"holder":…,"features":[…],…}'`;

/** @param {import('node:crypto').KeyObject} key */
function rawPublicKey(key) {
  const der = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return der.subarray(-32).toString('hex');
}

/**
 * The licence key for `fields`, signed by the private key in PEM.
 * @param {string} pem
 * @param {Readonly<Record<string, unknown>>} fields
 */
export function issueLicence(pem, fields) {
  const privateKey = createPrivateKey(pem);
  const issued = new Date().toISOString().slice(0, 10);
  const payload = Buffer.from(JSON.stringify({ issued, ...fields }), 'utf8');
  const signature = sign(null, Buffer.concat([Buffer.from(LICENCE_CONTEXT), payload]), privateKey);
  const key = `CAPSTAN1-${payload.toString('base64url')}.${signature.toString('base64url')}`;
  readLicenceKey(key, systemCryptography, [rawPublicKey(privateKey)]);
  return key;
}

if (process.argv[1]?.endsWith('issue-licence.mjs')) {
  const [verb, path, fields] = process.argv.slice(2);
  if (verb === 'new-pair' && path !== undefined) {
    const { privateKey } = generateKeyPairSync('ed25519');
    writeFileSync(path, privateKey.export({ format: 'pem', type: 'pkcs8' }), {
      mode: 0o600,
      flag: 'wx',
    });
    console.log(rawPublicKey(privateKey));
  } else if (verb === 'issue' && path !== undefined && fields !== undefined) {
    console.log(issueLicence(readFileSync(path, 'utf8'), JSON.parse(fields)));
  } else {
    console.error(USAGE);
    process.exitCode = 2;
  }
}
