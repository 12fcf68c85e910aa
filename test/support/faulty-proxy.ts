import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { databaseAddress } from '../../src/database/database-address.js';

/** What a connection is for, which its start-up message tells: to listen for changes, or to query. */
export type ConnectionKind = 'changes' | 'queries';

const APPLICATION_NAME_OF_CHANGES = 'keyward changes';
/** The request codes that stand in the place of a protocol version (PostgreSQL, "Message Formats"). */
const REQUEST_CODE_MIN = 1234 << 16;

/** Answers that are being kept back. */
export interface Withheld {
  /** When the first answer has come: the statement has been executed, and nobody has been told. */
  readonly executed: Promise<void>;
  /** Lets the answers pass that were kept back, and all that come. */
  release(): void;
  /** Lets all answers pass that come from now on; those that were kept back never arrive. */
  forget(): void;
}

/** Which answers are kept back: those on connections on which a statement with this text was sent. */
interface Rule {
  readonly text: string;
  readonly delayMs: number;
  readonly note: () => void;
  readonly until: Promise<void>;
}

/**
 * One hop on the way to PostgreSQL, on which everything can go wrong that does on a network. It reads along, so that a
 * fault can hit one kind of connection or one statement, and statements can be counted.
 */
export class FaultyProxy {
  private readonly connections = new Set<ProxiedConnection>();
  private readonly silent = new Set<ConnectionKind>();
  private readonly rules = new Set<Rule>();
  private readonly heard: string[] = [];

  private constructor(
    private server: Server,
    private readonly port: number,
    private readonly databaseUrl: string,
  ) {}

  static async start(databaseUrl: string): Promise<FaultyProxy> {
    const server = createServer();
    const proxy = new FaultyProxy(server, await listen(server, 0), databaseUrl);
    proxy.serve();
    return proxy;
  }

  /** The same database, by way of the proxy. */
  get url(): string {
    const { user, password, database } = databaseAddress(this.databaseUrl);
    const credentials = encodeURIComponent(user) + (password ? `:${encodeURIComponent(password)}` : '');
    return `postgres://${credentials}@127.0.0.1:${this.port}/${database}`;
  }

  /** How many statements with this text were sent so far. */
  countStatements(text: string): number {
    return this.heard.filter((statement) => statement.includes(text)).length;
  }

  /** Breaks the connections there are, as a restart of something on the way does. New ones are let through. */
  cut(...kinds: ConnectionKind[]): void {
    for (const connection of this.connections) if (kinds.includes(connection.kind)) connection.destroy();
  }

  /**
   * Drops every byte from now on and says nothing: neither side learns that the other one is gone. What is connected now
   * or in the meantime stays dead after `restore`, as behind a firewall that has lost its state.
   */
  drop(...kinds: ConnectionKind[]): void {
    for (const kind of kinds) this.silent.add(kind);
    for (const connection of this.connections) if (kinds.includes(connection.kind)) connection.isDead = true;
  }

  restore(): void {
    this.silent.clear();
  }

  /** Breaks everything and refuses new connections, as a host does on which no server runs. */
  async refuse(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.cut('changes', 'queries');
    await closed;
  }

  async accept(): Promise<void> {
    this.server = createServer();
    await listen(this.server, this.port);
    this.serve();
  }

  /** Delays each answer on connections on which a statement with this text is sent, until `release`. */
  delay(text: string, delayMs: number): Withheld {
    return this.addRule(text, delayMs);
  }

  /** Keeps back what is answered to statements with this text: they are executed, and nobody is told before `release`. */
  withhold(text: string): Withheld {
    return this.addRule(text, Infinity);
  }

  async close(): Promise<void> {
    for (const connection of this.connections) connection.destroy();
    if (!this.server.listening) return;
    this.server.close();
    await once(this.server, 'close');
  }

  private addRule(text: string, delayMs: number): Withheld {
    let note = (): void => undefined;
    let end = (): void => undefined;
    const executed = new Promise<void>((resolve) => (note = resolve));
    const until = new Promise<void>((resolve) => (end = resolve));
    const rule: Rule = { text, delayMs, note, until };
    this.rules.add(rule);
    const forget = (): void => void this.rules.delete(rule);
    const release = (): void => {
      forget();
      end();
    };
    return { executed, release, forget };
  }

  private serve(): void {
    this.server.on('connection', (client) => {
      const { host, port } = databaseAddress(this.databaseUrl);
      const server = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
      const connection = new ProxiedConnection(client, server, (statement) => {
        this.heard.push(statement);
        return [...this.rules].find(({ text }) => statement.includes(text));
      });
      connection.onKind = (kind) => (connection.isDead ||= this.silent.has(kind));
      this.connections.add(connection);
      connection.onEnd = () => this.connections.delete(connection);
    });
  }
}

/** One session and what is done to it. */
class ProxiedConnection {
  kind: ConnectionKind = 'queries';
  /** Nothing gets through any more, and nobody is told. */
  isDead = false;
  onKind: (kind: ConnectionKind) => void = () => undefined;
  onEnd: () => void = () => undefined;
  /** Texts of the prepared statements, by name. */
  private readonly statements = new Map<string, string>();
  private unread: Buffer = Buffer.alloc(0);
  private isStarted = false;
  /** The answers keep their order however long each of them is delayed. */
  private answers: Promise<void> = Promise.resolve();
  private rule: Rule | undefined;

  constructor(
    private readonly client: Socket,
    private readonly server: Socket,
    private readonly ruleFor: (statement: string) => Rule | undefined,
  ) {
    client.on('data', (bytes) => this.pass(bytes));
    server.on('data', (bytes) => this.answer(bytes));
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      // On a dead connection not even its end is told.
      socket.on('close', () => this.isDead || this.destroy());
    }
  }

  destroy(): void {
    this.client.destroy();
    this.server.destroy();
    this.onEnd();
  }

  private pass(bytes: Buffer): void {
    this.read(bytes);
    if (!this.isDead) this.server.write(bytes);
  }

  private answer(bytes: Buffer): void {
    const { rule } = this;
    if (rule === undefined) {
      this.answers = this.answers.then(() => this.deliver(bytes));
      return;
    }
    rule.note();
    this.answers = this.answers
      .then(() => Promise.race([rule.until, ...(rule.delayMs === Infinity ? [] : [pause(rule.delayMs)])]))
      .then(() => this.deliver(bytes));
  }

  private deliver(bytes: Buffer): void {
    if (!this.isDead && !this.client.destroyed) this.client.write(bytes);
  }

  /** Reads along what the client says: its start-up message, and the text of each statement. */
  private read(bytes: Buffer): void {
    this.unread = Buffer.concat([this.unread, bytes]);
    for (;;) {
      const headLength = this.isStarted ? 5 : 4;
      if (this.unread.length < headLength) return;
      const length = this.unread.readInt32BE(headLength - 4) + headLength - 4;
      if (this.unread.length < length) return;
      const message = this.unread.subarray(0, length);
      this.unread = this.unread.subarray(length);
      if (this.isStarted) this.readMessage(message);
      else this.readStart(message);
    }
  }

  private readStart(message: Buffer): void {
    if (message.readInt32BE(4) >= REQUEST_CODE_MIN) return; // a request for encryption, before the start-up message proper
    this.isStarted = true;
    const isListening = message.subarray(8).toString('utf8').split('\0').includes(APPLICATION_NAME_OF_CHANGES);
    this.kind = isListening ? 'changes' : 'queries';
    this.onKind(this.kind);
  }

  private readMessage(message: Buffer): void {
    const type = String.fromCharCode(message[0]!);
    if (!'PBQ'.includes(type)) return;
    const [first = '', second = ''] = message.subarray(5).toString('utf8').split('\0', 2);
    // Parse names a statement and tells its text, once; each Bind names a portal and the statement that is run in it.
    if (type === 'P') this.statements.set(first, second);
    else this.rule = this.ruleFor(type === 'B' ? (this.statements.get(second) ?? '') : first);
  }
}

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, milliseconds).unref());
}
