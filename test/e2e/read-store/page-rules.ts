/** The rule of cutting and the manifest, written down from docs/formats/store.md. */

/** The table g of the page's section on chunks. */
function gearTable(): Uint32Array {
  const multiply = (a: number, b: number): number => {
    let product = 0;
    for (let bit = 7; bit >= 0; bit -= 1) {
      product = (product << 1) ^ (product & 0x80 ? 0x11b : 0);
      if ((b >> bit) & 1) product ^= a;
    }
    return product;
  };
  const matrices = ['f1e3c78f1f3e7cf8', '8f1e3d7af5ebd7ae', 'a94fd3b8670e1d3b', '6cd8b163c78e1d3a'];
  const constants = [0x63, 0x1d, 0xa7, 0x5e];
  const parity = (byte: number): number => byte.toString(2).replaceAll('0', '').length % 2;
  return Uint32Array.from({ length: 256 }, (_, x) => {
    let inverse = 1;
    for (let i = 0; i < 254; i += 1) inverse = multiply(inverse, x);
    const planes = matrices.map((matrix, p) => {
      const rows = Buffer.from(matrix, 'hex');
      let image = constants[p] ?? 0;
      rows.forEach((row, bit) => (image ^= parity(row & inverse) << bit));
      return image;
    });
    return Buffer.from(planes).readUInt32LE();
  });
}

/** Lengths of the chunks that the page's rule makes of a tape file. */
export function chunkLengths(bytes: Buffer): number[] {
  const gear = gearTable();
  const lengths: number[] = [];
  let hash = 0;
  let length = 0;
  for (const byte of bytes) {
    // A byte has left the hash after 32 steps.
    hash = ((hash << 1) + (gear[byte] ?? 0)) >>> 0;
    length += 1;
    const limit = length <= 16_384 ? 0 : length <= 65_536 ? 2 ** 15 : 2 ** 17;
    if (hash >= limit && length < 262_144) continue;
    lengths.push(length);
    length = 0;
  }
  return length > 0 ? [...lengths, length] : lengths;
}

/** Content lengths of the payload stream's slices, by a manifest of one partition. */
export function sliceLengths(manifest: Buffer): number[] {
  let at = 16;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = manifest.readUInt8(at);
      at += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  const objectBytes = varint();
  at += objectBytes;
  const count = varint();
  return Array.from({ length: count }, (_, i) => manifest.readUInt32LE(at + 40 * i + 32));
}
