/** A type of browsers that hono's declarations of cookies name, and that Node's do not have. */
type BufferSource = ArrayBuffer | ArrayBufferView;
