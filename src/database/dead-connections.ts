import type { Socket } from 'node:net';
import type pg from 'pg';

/** Breaks a connection off. `end()` would wait for the other side, which may be gone without a word. */
export function destroy({ connection }: pg.Client): void {
  connection.stream.destroy();
}

/**
 * Breaks a connection off that says nothing for so long. `query_timeout` of `pg` would give it back to its pool, where the
 * next statement would wait as long again: on a connection that is dead, or in a transaction that never ended.
 */
export function destroyWhenSilent(client: pg.Client, silenceMs: number): void {
  (client.connection.stream as Socket).setTimeout(silenceMs, () => destroy(client));
}

/** Breaks off what nobody uses at the moment, so that whoever comes next is given a connection that works. */
export function destroyIdle(pool: pg.Pool): void {
  for (let { idleCount } = pool; idleCount > 0; idleCount--) {
    pool.connect((_, client, release) => {
      if (client === undefined) return;
      release(true);
      destroy(client);
    });
  }
}
