import pg from 'pg';
import type { DatabaseAddress } from './database-address.js';
import { destroy } from './dead-connections.js';

/** A change that some process committed, as the trigger on audit_events announces it. */
export interface Change {
  readonly organizationId: string;
  readonly resourceType: string;
  readonly resourceId: string;
  /** Type of the audit event, such as `token.revoked`. */
  readonly type: string;
  /** When it was announced by the clock of the database, in milliseconds since 1970; absent for a change of this process. */
  readonly at?: number;
}

export interface ChangeFeedOptions {
  readonly address: DatabaseAddress;
  /** How long what was heard last proves that nothing was missed. */
  readonly stalenessMaxMs: number;
  readonly connectTimeoutMs: number;
}

const CHANNEL = 'keyward_changes';
const RECONNECT_MIN_MS = 50;
const RECONNECT_MAX_MS = 1_000;

/**
 * Hears of every change in the database, on a connection of its own, and knows how long that has been certain.
 *
 * PostgreSQL hands a session its pending notifications before it answers the session's next query. So an answered
 * heartbeat proves that every change committed before the heartbeat was sent has been heard of. A connection that is cut
 * without a word answers no heartbeat, and the proof runs out by the clock.
 */
export class ChangeFeed {
  private client: pg.Client | undefined;
  /** What is being connected. */
  private attempt: pg.Client | undefined;
  private timer: NodeJS.Timeout | undefined;
  private isStopped = false;
  private reconnectDelayMs = RECONNECT_MIN_MS;
  /** Until when by either clock the last proof was good. The wall clock covers a machine that slept, the other one a clock that was set back. */
  private provenWallMs = Number.NEGATIVE_INFINITY;
  private provenSteadyMs = Number.NEGATIVE_INFINITY;
  private readonly changeListeners: ((change: Change) => void)[] = [];
  private readonly gapListeners: (() => void)[] = [];
  private readonly lossListeners: (() => void)[] = [];

  constructor(private readonly options: ChangeFeedOptions) {}

  onChange(listener: (change: Change) => void): void {
    this.changeListeners.push(listener);
  }

  /** Called when changes may have been missed, before the feed is fresh again: what was derived from the database must be forgotten. */
  onGap(listener: () => void): void {
    this.gapListeners.push(listener);
  }

  /** Called when the connection broke or fell silent: what happened to it most likely happened to others. */
  onLoss(listener: () => void): void {
    this.lossListeners.push(listener);
  }

  /** Whether no change older than the bound can have been missed. `wallMs` is Date.now(). */
  isFresh(wallMs: number): boolean {
    const { stalenessMaxMs } = this.options;
    return wallMs - this.provenWallMs <= stalenessMaxMs && performance.now() - this.provenSteadyMs <= stalenessMaxMs;
  }

  /** Seconds since the last proof; infinite before the first one. */
  get ageSeconds(): number {
    return (performance.now() - this.provenSteadyMs) / 1_000;
  }

  get isConnected(): boolean {
    return this.client !== undefined;
  }

  /** Connects, and keeps connected until `stop`. Resolves after the first attempt, whether or not it succeeded. */
  async start(): Promise<void> {
    await this.connect();
  }

  stop(): Promise<void> {
    this.isStopped = true;
    clearTimeout(this.timer);
    for (const client of [this.client, this.attempt]) if (client !== undefined) destroy(client);
    this.client = undefined;
    return Promise.resolve();
  }

  /** What is not answered for so long is lost; heartbeats leave time for this before the bound. */
  private get patienceMs(): number {
    return this.options.stalenessMaxMs / 2;
  }

  private async connect(): Promise<void> {
    const { address, connectTimeoutMs } = this.options;
    const client = new pg.Client({
      host: address.host,
      port: address.port,
      user: address.user,
      password: address.password,
      database: address.database,
      ssl: address.ssl,
      connectionTimeoutMillis: Math.min(connectTimeoutMs, this.patienceMs),
      application_name: 'keyward changes',
      keepAlive: true,
    });
    client.on('error', () => this.drop(client));
    client.on('end', () => this.drop(client));
    client.on('notification', (message) => this.announcePayload(message.payload));
    this.attempt = client;
    try {
      await client.connect();
      const sentAt = now();
      await this.ask(client, `listen ${CHANNEL}`);
      if (this.isStopped) return destroy(client);
      this.client = client;
      this.reconnectDelayMs = RECONNECT_MIN_MS;
      for (const listener of this.gapListeners) listener(); // whatever happened while nobody listened
      this.prove(sentAt);
      this.scheduleHeartbeat(client);
    } catch {
      destroy(client);
      this.scheduleReconnect();
    } finally {
      this.attempt = undefined;
    }
  }

  private scheduleHeartbeat(client: pg.Client): void {
    const intervalMs = Math.min(1_000, this.options.stalenessMaxMs / 5);
    this.timer = setTimeout(() => void this.beat(client), intervalMs);
  }

  private async beat(client: pg.Client): Promise<void> {
    const sentAt = now();
    try {
      await this.ask(client, 'select 1');
      if (this.client !== client) return;
      this.prove(sentAt);
      this.scheduleHeartbeat(client);
    } catch {
      this.drop(client);
    }
  }

  /** A query that is answered in time, or the connection counts as lost. */
  private async ask(client: pg.Client, text: string): Promise<void> {
    let timeout: NodeJS.Timeout | undefined;
    const expired = new Promise<never>((_, reject) => {
      const expire = (): void => reject(new Error('no answer'));
      // A process that was busy for long reads what came meanwhile before it says that nothing came.
      timeout = setTimeout(() => setImmediate(expire), this.patienceMs);
    });
    try {
      await Promise.race([client.query(text), expired]);
    } finally {
      clearTimeout(timeout);
    }
  }

  /** What was proven before stays proven until the bound; then it is over. */
  private drop(client: pg.Client): void {
    if (this.client !== client) return;
    this.client = undefined;
    clearTimeout(this.timer);
    destroy(client);
    this.scheduleReconnect();
    for (const listener of this.lossListeners) listener();
  }

  private scheduleReconnect(): void {
    if (this.isStopped) return;
    this.timer = setTimeout(() => void this.connect(), this.reconnectDelayMs * (0.5 + Math.random() / 2));
    this.reconnectDelayMs = Math.min(this.reconnectDelayMs * 2, RECONNECT_MAX_MS);
  }

  private prove(sentAt: { readonly wallMs: number; readonly steadyMs: number }): void {
    this.provenWallMs = sentAt.wallMs;
    this.provenSteadyMs = sentAt.steadyMs;
  }

  private announcePayload(payload: string | undefined): void {
    const change = parseChange(payload);
    // A message that cannot be read may have been about anything.
    if (change === undefined) for (const listener of this.gapListeners) listener();
    else this.announceHere(change);
  }

  /** Tells the listeners of this process, as if the change had been heard of. */
  announceHere(change: Change): void {
    for (const listener of this.changeListeners) listener(change);
  }
}

function now(): { readonly wallMs: number; readonly steadyMs: number } {
  return { wallMs: Date.now(), steadyMs: performance.now() };
}

function parseChange(payload: string | undefined): Change | undefined {
  try {
    const change = JSON.parse(payload ?? '') as Change;
    return typeof change.resourceId === 'string' && typeof change.type === 'string' ? change : undefined;
  } catch {
    return undefined;
  }
}
