/** Bugs of replication and of what its two servers decide of copies, planted in the source, a line or two each. */
import type { ListedMutant } from './source-mutants.ts';

export const REPLICATION: readonly ListedMutant[] = [
  {
    name: 'copy-not-abandoned',
    what: 'what was received of a copy that failed is left behind',
    scenario: 'autocopy',
    patch: {
      file: 'src/replication/receiver.ts',
      from: 'await copy.abandon();',
      to: '',
    },
  },
  {
    name: 'needed-chunk-skipped',
    what: 'the first chunk of a tape is not sent where the receiver lacks it',
    scenario: 'autocopy',
    patch: {
      file: 'src/replication/need.ts',
      from: 'if (!isNeeded(need, ordinal)) continue;\n    const at',
      to: 'if (!isNeeded(need, ordinal) || ordinal === 0) continue;\n    const at',
    },
  },
  {
    name: 'need-bits-turned',
    what: 'the bits of what the receiver lacks are read from the other end',
    scenario: 'autocopy',
    patch: {
      file: 'src/replication/need.ts',
      from: '((need.bitmap[ordinal >> 3] ?? 0) & (0x80 >> (ordinal & 7))) !== 0;',
      to: '((need.bitmap[ordinal >> 3] ?? 0) & (1 << (ordinal & 7))) !== 0;',
    },
  },
  {
    name: 'older-taken',
    what: 'the receiver compares generations the wrong way round',
    scenario: 'autocopy',
    patch: {
      file: 'src/server/copy-receiver.ts',
      from: 'if (row !== undefined && row.generation > offer.generation) {',
      to: 'if (row !== undefined && row.generation + 1000 < offer.generation) {',
    },
  },
  {
    name: 'copy-into-any-pool',
    what: 'a copy takes the place of a tape in another pool',
    scenario: 'autocopy',
    patch: {
      file: 'src/server/copy-receiver.ts',
      from: 'if (row !== undefined && row.pool !== offer.pool) {',
      to: 'if (row !== undefined && row.pool === offer.pool) {',
    },
  },
  {
    name: 'commit-unseen',
    what: 'the receiver takes a copy that was cut off before its end',
    scenario: 'autocopy',
    patch: {
      file: 'src/replication/receiver.ts',
      from: 'await receiveCommit(connection, offer, need.chunkCount);',
      to: '',
    },
  },
  {
    name: 'checksum-turned',
    what: 'a frame is taken where its checksum is wrong, and no other',
    scenario: 'autocopy',
    patch: {
      file: 'src/replication/frame.ts',
      from: 'if (readUint(frame, 8, 4) !== checksum(frame, this.#kind)) {',
      to: 'if (readUint(frame, 8, 4) === checksum(frame, this.#kind)) {',
    },
  },
  {
    name: 'chunks-counted-short',
    what: 'the sender leaves the last frame of chunks out of its count',
    scenario: 'autocopy',
    patch: {
      file: 'src/replication/sender.ts',
      from: 'this.#window.add(chunkCount, parcels.length);',
      to: 'this.#window.add(chunkCount - 1, parcels.length);',
    },
  },
  {
    name: 'manifest-unproven',
    what: 'the digest of a manifest is not compared with the one that was offered',
    scenario: 'bad-line',
    patch: {
      file: 'src/replication/receiver.ts',
      from: 'if (equalBytes(digest, offer.manifestDigest)) return digests;',
      to: 'if (digest.length > 0) return digests;',
    },
  },
  {
    name: 'acknowledged-early',
    what: 'a copy is acknowledged before it is committed',
    scenario: 'bad-line',
    patch: {
      file: 'src/replication/receiver.ts',
      from: 'await copy.commit(manifest);',
      to: 'copy.commit(manifest).catch(() => {});',
    },
  },
  {
    name: 'silence-endured',
    what: 'a peer that says nothing is waited for without an end',
    scenario: 'bad-line',
    patch: {
      file: 'src/replication/connection.ts',
      from: '? this.#clock.after(this.#stallTimeoutMs, () => {',
      to: '? this.#clock.after(1e12, () => {',
    },
  },
  {
    name: 'keep-alives-suffice',
    what: 'a peer may send keep-alives and nothing else for ever',
    scenario: 'bad-line',
    patch: {
      file: 'src/replication/connection.ts',
      from: 'const stallsMax = patient ? Infinity : STALLS_MAX;',
      to: 'const stallsMax = 1e9;',
    },
  },
  {
    name: 'descent-unasked',
    what: 'the target replaces what its hosts wrote by whatever comes',
    scenario: 'bad-line',
    patch: {
      file: 'src/server/copy-receiver.ts',
      from: 'if (row.copiedFrom !== undefined || row.generation === 0) return true;',
      to: 'if (row.generation >= 0) return true;',
    },
  },
  {
    name: 'descent-assumed',
    what: 'the source takes every version of the target for an earlier one of its own',
    scenario: 'bad-line',
    patch: {
      file: 'src/server/copies.ts',
      from: 'return (await knows(catalog, { name: tape.name, current }, held)) ? held : undefined;',
      to: 'return held;',
    },
  },
  {
    name: 'mounted-replaced',
    what: 'a copy takes the place of a tape that is mounted on the target',
    scenario: 'bad-line',
    patch: {
      file: 'src/server/copy-receiver.ts',
      from: 'if (this.#busyTapes.has(offer.tape)) return refuse(MOUNTED_THERE);',
      to: '',
    },
  },
  {
    name: 'origin-unsaid',
    what: 'the target does not record whose tape it has',
    scenario: 'bad-line',
    patch: {
      file: 'src/server/copy-receiver.ts',
      from: 'copiedFrom: sourceServer,',
      to: 'copiedFrom: undefined,',
    },
  },
  {
    name: 'refusal-unheard',
    what: 'the sender does not hear that its offer is refused',
    scenario: 'bad-line',
    patch: {
      file: 'src/replication/sender.ts',
      from: "if (answer.kind === 'refuse') throw this.#refused(answer.reason);\n    if (answer.kind === 'ack') {",
      to: "if (answer.kind === 'ack') {",
    },
  },
  {
    name: 'lanes-unthrottled',
    what: 'what goes over lanes heeds no limit',
    scenario: 'bad-line',
    patch: {
      file: 'src/server/copies.ts',
      from: 'open: async () => throttled(await another(), limits),',
      to: 'open: another,',
    },
  },
];
