import { describe, expect, it } from 'vitest';
import { systemCryptography } from '../../../src/platform/system-cryptography.ts';
import { systemRandom } from '../../../src/platform/system-random.ts';
import { PASSWORD_CHARS_MAX, Passwords, checkPassword } from '../../../src/server/passwords.ts';

const PORTS = { cryptography: systemCryptography, random: systemRandom };
const CHEAP = { N: 16, r: 1, p: 1 };

describe('a password', () => {
  it.each([
    ['eleven char', 'it is shorter than 12 characters'],
    ['x'.repeat(60) + 'abcdefghijkl'.repeat(10), 'it is longer than 128 characters'],
    ['aaaaaaaabbbbbbbb', 'it has fewer than 5 different characters'],
    ['the words of Mary', 'it holds the name of the user'],
    ['twelve\tcharacters', 'it holds a control character'],
  ])('%s is refused with its reason', (password, reason) => {
    expect(() => checkPassword('mary', password)).toThrow(
      `The password of mary is refused: ${reason}.`,
    );
  });

  it.each(['correct horse', 'zwölf Zeichen!', '密码密码密码一二三四五六'])(
    '%s is taken',
    (password) => {
      expect(() => checkPassword('mary', password)).not.toThrow();
    },
  );
});

describe('what is kept of a password', () => {
  const passwords = new Passwords(PORTS, CHEAP);

  it('is matched by it alone, salted anew each time', async () => {
    const kept = await passwords.hash('correct horse');
    expect(kept).toMatch(/^scrypt\$4,1,1\$[0-9a-f]{32}\$[0-9a-f]{64}$/);
    expect(kept).not.toBe(await passwords.hash('correct horse'));
    expect(await passwords.matches('correct horse', kept)).toBe(true);
    for (const wrong of ['correct hors', 'correct horse ', '', 'Correct horse']) {
      expect(await passwords.matches(wrong, kept)).toBe(false);
    }
  });

  it('does not ask how an accent was typed', async () => {
    const kept = await passwords.hash('pass\u00e9 compos\u00e9');
    expect(await passwords.matches('passe\u0301 compose\u0301', kept)).toBe(true);
  });

  it('is matched by nothing where nothing, or nonsense, is kept', async () => {
    for (const kept of [
      undefined,
      '',
      'plain',
      'scrypt$4,1,1$$',
      `scrypt$4,1,1$${'0'.repeat(32)}$`,
    ]) {
      expect(await passwords.matches('', kept)).toBe(false);
    }
  });

  it('does not begin to match where two long passwords begin alike', async () => {
    const long = 'x'.repeat(PASSWORD_CHARS_MAX);
    const kept = await passwords.hash(long);
    expect(await passwords.matches(`${long}y`, kept)).toBe(false);
    expect(await passwords.matches('x'.repeat(1000), kept)).toBe(false);
  });

  it('still matches, and is outdated, once the cost was changed', async () => {
    const kept = await passwords.hash('correct horse');
    const dearer = new Passwords(PORTS, { ...CHEAP, N: 32 });
    expect(await dearer.matches('correct horse', kept)).toBe(true);
    expect(dearer.isOutdated(kept)).toBe(true);
    expect(passwords.isOutdated(kept)).toBe(false);
  });
});
