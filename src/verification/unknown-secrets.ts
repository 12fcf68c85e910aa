/**
 * Remembers for a short time which secrets are not known, so that a client with a wrong one does not ask the database each
 * time. Bounded like the cache of known ones: the older generation is dropped when the younger one is full.
 */
export class UnknownSecrets {
  private young = new Map<string, number>();
  private old = new Map<string, number>();

  constructor(
    private readonly entriesMax: number,
    private readonly ttlMs: number,
  ) {}

  has(key: string, now: number): boolean {
    const until = this.young.get(key) ?? this.old.get(key);
    return until !== undefined && until > now;
  }

  add(key: string, now: number): void {
    this.young.set(key, now + this.ttlMs);
    if (this.young.size * 2 < this.entriesMax) return;
    this.old = this.young;
    this.young = new Map();
  }
}
