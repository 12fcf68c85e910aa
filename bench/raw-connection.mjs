// As little of an HTTP/1.1 client as measuring needs, so that its own cost stays small and the same for everybody who is measured.
import { connect } from 'node:net';

const END_OF_HEAD = Buffer.from('\r\n\r\n');

/** One connection that is kept open, with one request under way at a time. */
export class RawConnection {
  #socket;
  #keepsBody;
  #partial;
  #missing = 0;
  #status = 0;
  #beginning = Buffer.alloc(0);
  #body = [];
  #settle;

  /** @param {{ keepsBody?: boolean, from?: string }} options `from`: the local address */
  constructor(port, options = {}) {
    this.#keepsBody = options.keepsBody ?? false;
    this.#socket = connect({ host: '127.0.0.1', port, localAddress: options.from });
    this.#socket.setNoDelay(true);
    this.#socket.on('data', (chunk) => this.#read(chunk));
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error('The server closed the connection.')));
  }

  /**
   * Sends a request; `settle` is called once with its answer: the status, the beginning of the body (all of it where
   * bodies are kept), and an error instead of both when there is no answer.
   */
  send(request, settle) {
    this.#settle = settle;
    this.#socket.write(request);
  }

  ask(request) {
    return new Promise((accept, reject) => {
      this.send(request, (status, body, error) => (error ? reject(error) : accept({ status, body })));
    });
  }

  close() {
    this.#settle = undefined;
    this.#socket.destroy();
  }

  #read(chunk) {
    if (this.#missing > 0) {
      this.#missing -= chunk.length;
      if (this.#keepsBody) this.#body.push(chunk);
    } else {
      const answer = this.#partial === undefined ? chunk : Buffer.concat([this.#partial, chunk]);
      const end = answer.indexOf(END_OF_HEAD);
      this.#partial = end < 0 ? answer : undefined;
      if (end < 0) return;
      this.#status = (answer[9] - 48) * 100 + (answer[10] - 48) * 10 + (answer[11] - 48);
      const length = lengthOf(answer.latin1Slice(0, end), this.#status);
      this.#beginning = answer.subarray(end + 4);
      this.#missing = length - this.#beginning.length;
      if (this.#keepsBody) this.#body = [this.#beginning];
    }
    if (this.#missing > 0) return;
    if (this.#missing < 0) return this.#fail(new Error('More came than was announced.'));
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.(this.#status, this.#keepsBody ? Buffer.concat(this.#body) : this.#beginning);
  }

  #fail(error) {
    const settle = this.#settle;
    this.#settle = undefined;
    this.#socket.destroy();
    settle?.(0, undefined, error);
  }
}

function lengthOf(head, status) {
  const found = /content-length: (\d+)/i.exec(head);
  if (found !== null) return Number(found[1]);
  if (status === 204 || status === 304) return 0;
  throw new Error(`An answer without Content-Length:\n${head}`);
}

/** A request with a body as text, as bytes. */
export function rawRequest(method, path, headers, body) {
  const fields = { host: '127.0.0.1', ...headers };
  if (body !== undefined) fields['content-length'] = Buffer.byteLength(body);
  const head = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${head.join('')}\r\n${body ?? ''}`);
}
