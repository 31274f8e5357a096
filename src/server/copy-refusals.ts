/** What a receiver says to a copy that it does not take; both sides know these sentences. */

/** @source VTS 8.2 Supplemental Installation Guide, p. 21. */
export const IN_ANOTHER_POOL = 'the virtual tape already exists in another pool on the target';
export const MOUNTED_THERE = 'the virtual tape is mounted';
export const ANOTHER_CONTENT = 'the virtual tape has another content at the same generation';
/** A host wrote it on the target since it was copied, and the offer does not descend from that. */
export const WRITTEN_HERE = 'the virtual tape was written on the target';

/**
 * A copy onto the tape itself would be none, and called a success.
 * @source VTS 6.02 Installation Guide, p. 50: not onto the same file system
 */
export const COPY_TO_ITSELF = 'the target is the source itself, or another server of its name';
