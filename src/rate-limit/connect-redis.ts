import { Redis } from 'ioredis';

const RECONNECT_DELAY_MAX_MS = 1_000;

/**
 * A connection to Redis that answers at once or not at all: while it is down every command fails immediately, a server
 * that does not answer is hung up on, and it comes back by itself within a second of the server. By default ioredis
 * queues and waits, for as long as it takes.
 */
export function connectRedis(url: string, timeoutMs: number): Redis {
  const redis = new Redis(url, {
    connectionName: 'keyward',
    disableClientInfo: true,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false, // they were counted in memory meanwhile
    commandTimeout: timeoutMs,
    // A connection whose traffic is dropped on the way looks healthy until the kernel gives it up, a quarter of an hour later.
    socketTimeout: timeoutMs,
    connectTimeout: timeoutMs * 10, // nobody waits for it, and TLS takes several round trips
    disconnectTimeout: timeoutMs,
    retryStrategy: (attempt) => Math.min(50 * attempt, RECONNECT_DELAY_MAX_MS),
    // After a failover the old primary refuses to write: connect anew, to wherever the name leads by now.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  });
  redis.on('error', () => undefined); // without a listener ioredis prints it; who counts learns of each failure by itself
  return redis;
}
