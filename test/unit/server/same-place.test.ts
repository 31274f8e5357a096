import { describe, expect, it } from 'vitest';
import { samePlace } from '../../../src/server/same-place.ts';

const A = 'a'.repeat(32);
const B = 'b'.repeat(32);

describe('source and target of a copy', () => {
  it('are one place where they are one shared vault, whatever else is known', () => {
    expect(samePlace({ vault: A, fileSystem: '' }, { vault: A, fileSystem: 'uuid:1' })).toContain(
      'same shared vault',
    );
    expect(samePlace({ vault: A, fileSystem: '' }, { vault: B, fileSystem: '' })).toBeUndefined();
  });

  it('are one place on one file system, where either is shared', () => {
    const shared = { vault: A, fileSystem: 'uuid:1' };
    const own = { vault: '', fileSystem: 'uuid:1' };
    for (const [source, target] of [
      [shared, own],
      [own, shared],
      [shared, { ...shared, vault: B }],
    ]) {
      expect(samePlace(source, target)).toContain('same file system');
    }
    expect(samePlace(own, own)).toBeUndefined();
    expect(samePlace(shared, { ...own, fileSystem: 'uuid:2' })).toBeUndefined();
  });

  it('are two places as long as nothing says otherwise', () => {
    const unknown = { vault: '', fileSystem: '' };
    expect(samePlace(undefined, { vault: A, fileSystem: 'uuid:1' })).toBeUndefined();
    expect(samePlace({ vault: A, fileSystem: 'uuid:1' }, undefined)).toBeUndefined();
    expect(samePlace({ vault: A, fileSystem: '' }, unknown)).toBeUndefined();
  });
});
