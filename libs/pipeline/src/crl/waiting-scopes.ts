import type { ChangedScope } from '@certmill/ports';

/** Since when changes of an issuer's scopes have waited, in the one that has waited longest. */
export interface WaitingChanges {
  readonly issuer: string;
  readonly sinceMs: number;
}

/** Which scopes have changes that nothing follows from yet, and since when, as one process sees it. */
export class WaitingScopes {
  #since = new Map<string, WaitingChanges>();

  /**
   * All that wait at this time. What has got some of its changes since the last look waits anew; a change of a time
   * to come, by a clock that was ahead, waits from now on.
   */
  look(changed: readonly ChangedScope[], nowMs: number): void {
    const since = new Map<string, WaitingChanges>();
    for (const { issuer, shard, followed, changedAtMs } of changed) {
      const key = `${issuer}/${String(shard)}/${String(followed)}`;
      const sinceMs = Math.min(this.#since.get(key)?.sinceMs ?? changedAtMs, nowMs);
      since.set(key, { issuer, sinceMs });
    }
    this.#since = since;
  }

  /** One of each issuer in which something waits. */
  oldest(): readonly WaitingChanges[] {
    const oldest = new Map<string, WaitingChanges>();
    for (const each of this.#since.values()) {
      const known = oldest.get(each.issuer);
      if (known === undefined || each.sinceMs < known.sinceMs) oldest.set(each.issuer, each);
    }
    return [...oldest.values()];
  }
}
