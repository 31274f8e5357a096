import { describe, expect, it } from 'vitest';
import { plainReceive } from '../../../src/cli/early-receive.ts';

describe('capstan receive', () => {
  it.each([
    ['receive', undefined],
    ['receive --home /x', '/x'],
    ['receive --home=/x', '/x'],
    ['receive --home=/x=y', '/x=y'],
  ])('goes the short way for "%s"', (line, home) => {
    expect(plainReceive(line.split(' '))).toEqual({ home });
  });

  it.each([
    'serve',
    'receive junk',
    'receive --home',
    'receive --home=/x junk',
    'receive --home /x junk',
    'receive --home=/x --help',
    'receive --homely=/x',
  ])('goes the long way for "%s"', (line) => {
    expect(plainReceive(line.split(' '))).toBeUndefined();
  });

  it('takes an argument with a blank for one path or for none', () => {
    expect(plainReceive(['receive', '--home', '/a b'])).toEqual({ home: '/a b' });
    expect(plainReceive(['receive', '--home /x'])).toBeUndefined();
  });
});
