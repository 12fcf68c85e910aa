/** Where finished lines go. */
export interface LogStream {
  write(line: string): void;
  /** For a line that nobody waits for: it may be written together with those that follow. */
  writeSoon?(line: string): void;
}

/** As much as one write to a pipe takes in one piece (pipe(7), PIPE_BUF): the lines of several workers must not run into each other. */
const PIECE_BYTES_MAX = 4_096;

/**
 * Standard output, which is written synchronously, so that a line is out before whatever it warns of happens. A system
 * call for each request would cost a fifth of what a request costs, so the lines of requests that end in the same turn
 * of the event loop are written in one, at the end of the turn. Every other line is written at once, after those that wait.
 */
export class StandardOutput implements LogStream {
  private waiting = '';
  private waitingBytes = 0;

  constructor(private readonly output: NodeJS.WritableStream = process.stdout) {
    process.once('exit', () => this.flush()); // also after an exception that nobody caught
  }

  write(line: string): void {
    this.flush();
    this.output.write(line);
  }

  writeSoon(line: string): void {
    const bytes = Buffer.byteLength(line);
    if (this.waiting === '') setImmediate(() => this.flush());
    else if (this.waitingBytes + bytes > PIECE_BYTES_MAX) this.flush();
    this.waiting += line;
    this.waitingBytes += bytes;
  }

  private flush(): void {
    if (this.waiting === '') return;
    const lines = this.waiting;
    this.waiting = '';
    this.waitingBytes = 0;
    this.output.write(lines);
  }
}
