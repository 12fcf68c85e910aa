import { Injectable } from '@nestjs/common';
import { Config } from '../config/config.js';
import { ChangeFeed } from '../database/change-feed.js';

/** Of what a list was made. */
interface ListOrigin {
  /** Of its rows in the database. */
  readonly fingerprint: string;
  /** What it shows of the owner. */
  readonly shownOf: string;
  /** A moment as `Date.toISOString` writes it, like the next one. */
  readonly madeAt: string;
  /** From when on it is another one, without any change of a row. */
  readonly changesAt: string | undefined;
}

/** A list as it was answered. */
export interface KeptList extends ListOrigin {
  readonly json: Buffer;
}

/**
 * Lists in the form in which they were answered last. None is given again unless a statement has said that its rows are
 * still the same ones: what is saved is writing a hundred rows as text and as JSON, and never the question.
 *
 * A list is kept when it is asked for again and has not changed: most are asked for once. Bounded in bytes; those that were
 * not asked for the longest go first.
 */
@Injectable()
export class KeptLists {
  /** Without JSON where nobody has asked again. */
  private readonly lists = new Map<string, ListOrigin | KeptList>();
  private readonly bytesMax: number;
  private size = 0;
  /** When everything was forgotten: what was read before is not kept. */
  private clearedAt = '';

  /** Lists that were given again, and lists that were written. */
  hits = 0;
  misses = 0;

  constructor({ settings }: Config, feed: ChangeFeed) {
    this.bytesMax = settings.LIST_CACHE_BYTES_MAX;
    // A database that takes over from another one, or is restored, may give a version of a row the number of another one.
    feed.onGap(() => this.clear());
  }

  get bytes(): number {
    return this.size;
  }

  /** @param now as `Date.toISOString` writes it */
  get(key: string, now: string): KeptList | undefined {
    const list = this.lists.get(key);
    if (list === undefined || !('json' in list)) return undefined;
    if (now < list.madeAt || (list.changesAt !== undefined && list.changesAt <= now)) return undefined;
    this.lists.delete(key);
    this.lists.set(key, list);
    return list;
  }

  /** Takes note of a list that is being answered. */
  keep(key: string, origin: ListOrigin, json: string): void {
    const isAskedAgain = this.lists.get(key)?.fingerprint === origin.fingerprint;
    this.forget(key);
    if (origin.madeAt <= this.clearedAt) return;
    const list = isAskedAgain ? { ...origin, json: Buffer.from(json) } : origin;
    this.lists.set(key, list);
    this.size += sizeOf(key, list);
    for (const oldest of this.lists.keys()) {
      if (this.size <= this.bytesMax) return;
      this.forget(oldest);
    }
  }

  private forget(key: string): void {
    const list = this.lists.get(key);
    if (list === undefined) return;
    this.lists.delete(key);
    this.size -= sizeOf(key, list);
  }

  private clear(): void {
    this.lists.clear();
    this.size = 0;
    this.clearedAt = new Date().toISOString();
  }
}

/** With what the two moments, the fingerprint and the entry itself take. */
function sizeOf(key: string, list: ListOrigin | KeptList): number {
  return ENTRY_BYTES + 2 * (key.length + list.shownOf.length) + ('json' in list ? list.json.byteLength : 0);
}

const ENTRY_BYTES = 300;
