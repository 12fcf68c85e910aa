interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

interface BatchesOptions<Item, Result> {
  /** Does the work of a whole batch, all of it or nothing. @returns a result for each item, in their order */
  readonly run: (items: readonly Item[]) => Promise<readonly Result[]>;
  /** Whether one item alone may be to blame for what failed: each is tried by itself then. */
  readonly isOfOneItem: (error: unknown) => boolean;
  readonly sizeMax: number;
  /** Most items of a key that wait. */
  readonly waitingMax: number;
  /** What an item beyond that is told. */
  readonly tooMany: () => Error;
}

/**
 * Work that would wait for each other anyway, done together: what is asked for while a batch of its key is under way goes
 * into the next one, in the order in which it was asked for. A lone item never waits.
 */
export class Batches<Item, Result> {
  /** What waits, by key, for as long as a batch of the key is under way. */
  private readonly waiting = new Map<string, Waiting<Item, Result>[]>();

  constructor(private readonly options: BatchesOptions<Item, Result>) {}

  add(key: string, item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      const queue = this.waiting.get(key);
      if (queue === undefined) void this.work(key, { item, resolve, reject });
      else if (queue.length < this.options.waitingMax) queue.push({ item, resolve, reject });
      else reject(this.options.tooMany());
    });
  }

  private async work(key: string, first: Waiting<Item, Result>): Promise<void> {
    const queue = [first];
    this.waiting.set(key, queue);
    while (queue.length > 0) await this.settle(queue.splice(0, this.options.sizeMax), queue);
    this.waiting.delete(key);
  }

  private async settle(batch: readonly Waiting<Item, Result>[], queue: Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await this.options.run(batch.map(({ item }) => item));
      for (const [index, { resolve }] of batch.entries()) resolve(results[index] as Result);
    } catch (error) {
      const isOfOneItem = this.options.isOfOneItem(error);
      if (isOfOneItem && batch.length > 1) for (const one of batch) await this.settle([one], queue);
      // What stands in everybody's way would make those that wait, wait for it once more.
      else for (const { reject } of isOfOneItem ? batch : [...batch, ...queue.splice(0)]) reject(error);
    }
  }
}
