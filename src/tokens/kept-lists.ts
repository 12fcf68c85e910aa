import { Injectable } from '@nestjs/common';
import { Config } from '../config/config.js';

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
 * not asked for the longest go first, and one that would take the place of many others is not kept.
 */
@Injectable()
export class KeptLists {
  /** Without JSON where nobody has asked again. */
  private readonly lists = new Map<string, ListOrigin | KeptList>();
  private readonly bytesMax: number;
  private size = 0;

  /** Lists that were given again, and lists that were written. */
  hits = 0;
  misses = 0;

  constructor({ settings }: Config) {
    this.bytesMax = settings.LIST_CACHE_BYTES_MAX;
  }

  get bytes(): number {
    return this.size;
  }

  get(key: string): KeptList | undefined {
    const list = this.lists.get(key);
    if (list === undefined || !('json' in list)) return undefined;
    this.lists.delete(key);
    this.lists.set(key, list);
    return list;
  }

  /** Takes note of a list that is being answered. */
  keep(key: string, origin: ListOrigin, json: string): void {
    const isAskedAgain = this.lists.get(key)?.fingerprint === origin.fingerprint;
    this.forget(key);
    const list = isAskedAgain ? this.withJson(origin, json) : origin;
    this.lists.set(key, list);
    this.size += sizeOf(key, list);
    for (const oldest of this.lists.keys()) {
      if (this.size <= this.bytesMax) return;
      this.forget(oldest);
    }
  }

  private withJson(origin: ListOrigin, json: string): ListOrigin | KeptList {
    const length = Buffer.byteLength(json);
    if (length * SHARE_MIN > this.bytesMax) return origin;
    const own = Buffer.allocUnsafeSlow(length); // a piece of the memory that small buffers share would keep all of that
    own.write(json);
    return { ...origin, json: own };
  }

  private forget(key: string): void {
    const list = this.lists.get(key);
    if (list === undefined) return;
    this.lists.delete(key);
    this.size -= sizeOf(key, list);
  }
}

/** So many lists there is always room for. */
const SHARE_MIN = 8;

/** Whether it says what is the case at a moment, as long as its rows and its owner are the same. */
export function isGoodAt({ madeAt, changesAt }: ListOrigin, now: string): boolean {
  return madeAt <= now && (changesAt === undefined || now < changesAt);
}

/** With what the two moments, the fingerprint and the entry itself take. */
function sizeOf(key: string, list: ListOrigin | KeptList): number {
  return ENTRY_BYTES + 2 * (key.length + list.shownOf.length) + ('json' in list ? list.json.byteLength : 0);
}

const ENTRY_BYTES = 300;
