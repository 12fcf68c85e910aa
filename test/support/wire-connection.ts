import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';

/** One connection whose bytes are the test's own: it decides in which pieces they arrive. */
export class WireConnection {
  private received = '';
  readonly closed: Promise<unknown>;

  private constructor(readonly socket: Socket) {
    socket.setEncoding('latin1').on('data', (text: string) => (this.received += text));
    socket.on('error', () => undefined); // a reset is an end like another
    this.closed = once(socket, 'close');
  }

  static async open(url: string): Promise<WireConnection> {
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port), noDelay: true });
    await once(socket, 'connect');
    return new WireConnection(socket);
  }

  /** Sends a piece, and waits until a server in this process has read it: it polls its connections in each turn. */
  async send(piece: string): Promise<void> {
    if (piece === '' || this.socket.destroyed) return;
    await new Promise((sent) => this.socket.write(piece, 'latin1', sent));
    for (let turns = 0; turns < 3; turns++) await turn();
  }

  /** All that came so far. */
  get text(): string {
    return this.received;
  }

  /** The next whole answer: its head in lines and its body. */
  async answer(): Promise<{ status: number; lines: readonly string[]; body: string }> {
    for (;;) {
      const [head = '', rest] = split(this.received, '\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      if (rest !== undefined && rest.length >= length) {
        this.received = rest.slice(length);
        const [statusLine = '', ...lines] = head.split('\r\n');
        return { status: Number(statusLine.split(' ')[1]), lines, body: rest.slice(0, length) };
      }
      if (this.socket.destroyed) throw new Error(`The connection is closed after: ${this.received}`);
      await Promise.race([once(this.socket, 'data'), this.closed]);
    }
  }
}

function split(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}

/** Whether a server takes connections there. */
export async function isListening(url: string): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port) });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
