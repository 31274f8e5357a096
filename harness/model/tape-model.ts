/**
 * What a tape may hold, from what the host did to it: the oracle of durability.
 *
 * A write is *issued* when the host sends the command and *synced* when a command that promises
 * durability (WRITE FILEMARKS without IMMED, UNLOAD) had GOOD. A crash may leave the tape in the state
 * behind any issued write since the last sync, and in no other.
 */
import { equalBytes } from '../../src/base/bytes.ts';
import { FILEMARK } from '../../src/tape/tape-object.ts';
import type { TapeObject } from '../../src/tape/tape-object.ts';

/** A content of the tape that was whole: dismounted, or found after a crash. */
export interface TapeVersion {
  readonly generation: number;
  /** Hexadecimal digest of the image's manifest. */
  readonly manifestDigest: string;
  readonly manifest: Uint8Array;
  readonly objects: readonly TapeObject[];
}

export function equalObjects(left: readonly TapeObject[], right: readonly TapeObject[]): boolean {
  return (
    left.length === right.length &&
    left.every((object, index) => {
      const other = right[index];
      if (object.kind === 'filemark' || other === undefined) return other?.kind === object.kind;
      return other.kind === 'block' && equalBytes(object.data, other.data);
    })
  );
}

/** For messages: `VOL1 …(80) TM (4096) TM`, as lengths and marks. */
export function describeObjects(objects: readonly TapeObject[]): string {
  return objects
    .map((object) =>
      object.kind === 'filemark' ? 'TM' : `${object.data.length}:${object.data[0] ?? ''}`,
    )
    .join(' ');
}

export class TapeModel {
  readonly name: string;
  /** Every whole content so far, oldest first. */
  readonly versions: TapeVersion[] = [];
  /** The content at the last sync, then that behind each write issued since. */
  #states: (readonly TapeObject[])[] = [[]];
  #position = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** What the tape holds as the host sees it. */
  get content(): readonly TapeObject[] {
    return this.#states.at(-1) ?? [];
  }

  get latest(): TapeVersion | undefined {
    return this.versions.at(-1);
  }

  moveTo(position: 'beginning' | 'end-of-data'): void {
    this.#position = position === 'beginning' ? 0 : this.content.length;
  }

  issueBlock(data: Uint8Array): void {
    this.#issue([{ kind: 'block', data: data.slice() }]);
  }

  issueFilemarks(count: number): void {
    if (count > 0) this.#issue(Array.from({ length: count }, () => FILEMARK));
  }

  #issue(objects: readonly TapeObject[]): void {
    this.#states.push([...this.content.slice(0, this.#position), ...objects]);
    this.#position += objects.length;
  }

  /** The tape has this content, or is to have it soon: its server writes it by itself. */
  mayBe(objects: readonly TapeObject[]): void {
    this.#states.push(objects);
  }

  /** All that was issued is durable. */
  synced(): void {
    this.#states = [this.content];
  }

  /** Whether a crash now may leave the tape with these objects. */
  allows(objects: readonly TapeObject[]): boolean {
    return this.#states.some((state) => equalObjects(state, objects));
  }

  /** The tape was found with these objects, and that is what it holds. */
  found(objects: readonly TapeObject[]): void {
    this.#states = [objects];
    this.#position = 0;
  }

  describe(): string {
    return this.#states.map(describeObjects).join(' | ');
  }
}
