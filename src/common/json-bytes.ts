const INITIAL_BYTES = 65_536;
/** A buffer that grew beyond this is given up after use. */
const KEPT_BYTES_MAX = 1_048_576;
const [QUOTE, BACKSLASH, SPACE, DOT, ZERO, CAPITAL_T, CAPITAL_Z] = [0x22, 0x5c, 0x20, 0x2e, 0x30, 0x54, 0x5a];

/** One buffer for all: nobody waits for anything while a text is being made. */
let shared: Uint8Array = Buffer.allocUnsafe(INITIAL_BYTES);

/** Bytes that are written again and again. */
export function literal(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/**
 * JSON that is put together from bytes, in loops of our own: for pieces as short as these a call of `Buffer.copy` each
 * takes longer. Only one may be under way at a time, from its making to its end.
 */
export class JsonBytes {
  private bytes = shared;
  private length = 0;

  literal(bytes: Uint8Array): void {
    this.copy(bytes, 0, bytes.length);
  }

  text(text: string): void {
    this.literal(literal(text));
  }

  copy(source: Uint8Array, from: number, to: number): void {
    const bytes = this.withRoomFor(to - from);
    let { length } = this;
    for (let at = from; at < to; at++) bytes[length++] = source[at] as number;
    this.length = length;
  }

  /** The inside of a string, of UTF-8. */
  copyEscaped(source: Buffer, from: number, to: number): void {
    const bytes = this.withRoomFor(to - from);
    let { length } = this;
    for (let at = from; at < to; at++) {
      const byte = source[at] as number;
      if (byte < SPACE || byte === QUOTE || byte === BACKSLASH)
        return this.text(JSON.stringify(source.toString('utf8', from, to)).slice(1, -1));
      bytes[length++] = byte;
    }
    this.length = length;
  }

  /** A moment of the form `2030-01-31 12:00:00.12` as `2030-01-31T12:00:00.120Z`. */
  moment(source: Uint8Array, from: number, to: number): void {
    const begin = this.length;
    this.copy(source, from, to);
    const bytes = this.withRoomFor(5);
    bytes[begin + 10] = CAPITAL_T;
    let { length } = this;
    if (length === begin + 19) bytes[length++] = DOT;
    while (length < begin + 23) bytes[length++] = ZERO;
    bytes[length++] = CAPITAL_Z;
    this.length = length;
  }

  end(): Buffer {
    const result = Buffer.from(this.bytes.subarray(0, this.length));
    shared = this.bytes.length > KEPT_BYTES_MAX ? Buffer.allocUnsafe(INITIAL_BYTES) : this.bytes;
    return result;
  }

  private withRoomFor(count: number): Uint8Array {
    if (this.bytes.length - this.length < count) {
      const larger = Buffer.allocUnsafe(2 * (this.length + count));
      larger.set(this.bytes.subarray(0, this.length));
      this.bytes = larger;
    }
    return this.bytes;
  }
}
