import { describe, expect, it } from 'vitest';
import { LINE_CHARS_MAX } from '../../../src/ems/printing-distributor.ts';
import { LineBuffer, TelnetDecoder } from '../../../src/ems/telnet-lines.ts';

/** The characters that bytes stand for, `\n` for a line end, and answers as numbers in brackets. */
function decode(...bytes: number[]): string {
  const telnet = new TelnetDecoder();
  return bytes
    .map((byte) => {
      const item = telnet.push(byte);
      if (item === undefined) return '';
      if (item.kind === 'line-end') return '\n';
      if (item.kind === 'timing-mark') return '[mark]';
      return item.kind === 'character' ? item.character : `[${item.bytes.join(' ')}]`;
    })
    .join('');
}
const [A, B] = [0x41, 0x42];

describe('Telnet', () => {
  it('is taken out: commands, options and subnegotiations', () => {
    expect(decode(A, 255, 241, B)).toBe('AB');
    expect(decode(A, 255, 251, 3, B)).toBe('A[255 254 3]B');
    expect(decode(A, 255, 253, 1, B)).toBe('A[255 252 1]B');
    expect(decode(A, 255, 252, 1, 255, 254, 1, B)).toBe('AB');
    expect(decode(A, 255, 250, 24, 0, A, 255, 240, B)).toBe('AB');
  });

  it('an answer to our timing mark is told of, and is no offer', () => {
    expect(decode(A, 255, 251, 6, B, 255, 252, 6)).toBe('A[mark]B[mark]');
    expect(decode(255, 253, 6, 255, 254, 6)).toBe('[255 252 6]');
  });

  it('a byte 255 within a subnegotiation is doubled and does not end it', () => {
    expect(decode(255, 250, 24, 240, A, 255, 255, 240, A, 255, 240, B)).toBe('B');
  });

  it('a doubled 255 outside is one byte, and no command', () => {
    expect(decode(255, 255, 241, B)).toBe('??B');
  });

  it('what is not printable ASCII comes as "?", a tab as a blank, controls not at all', () => {
    expect(decode(A, 0xe9, 9, 7, 0, 13, 10, 127, B)).toBe('A? \nB');
  });
});

describe('A line buffer', () => {
  it('keeps nothing of a line over the limit, and the next one whole', () => {
    const buffer = new LineBuffer();
    for (let count = 0; count < LINE_CHARS_MAX; count += 1) buffer.push('x');
    expect(buffer.pending).toHaveLength(LINE_CHARS_MAX);
    buffer.push('x');
    expect(buffer.pending).toBe('');
    expect(buffer.take()).toBeUndefined();
    buffer.push('y');
    expect(buffer.take()).toBe('y');
    expect(buffer.take()).toBe('');
  });
});
