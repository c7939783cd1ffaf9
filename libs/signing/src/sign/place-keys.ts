import type { IssuerSlot } from './issuer-slot.js';

/** Keys that fail in turn while none between them succeeds: it is not they, but their place. */
const doubtsOfPlace = 3;

/** The keys in a place, and on whom a failure is to be blamed that may be the key's or the place's. */
export class PlaceKeys {
  /** The one that was tried last is the last. */
  private readonly all = new Set<IssuerSlot>();
  /** The two that succeeded last, the latest first. */
  private proven: readonly IssuerSlot[] = [];
  /** Those that failed since. */
  private readonly doubted = new Set<IssuerSlot>();

  add(key: IssuerSlot): void {
    this.all.add(key);
  }

  remove(key: IssuerSlot): void {
    this.all.delete(key);
    this.doubted.delete(key);
    this.proven = this.proven.filter((each) => each !== key);
  }

  noteSuccess(key: IssuerSlot): void {
    const [latest] = this.proven;
    if (latest !== key) this.proven = latest === undefined ? [key] : [key, latest];
    if (this.doubted.size > 0) this.doubted.clear();
  }

  /**
   * Notes that a key failed; true where the place is to blame: no other key of it is known to be good, or
   * too many have failed.
   */
  isPlaceToBlame(key: IssuerSlot): boolean {
    this.doubted.add(key);
    return (
      this.doubted.size >= doubtsOfPlace || !this.proven.some((each) => !this.doubted.has(each))
    );
  }

  /** The place begins anew. */
  forgetDoubts(): void {
    this.doubted.clear();
  }

  /** The one that succeeded last, and each time another one: it may be that one's own fault. */
  forTrial(): readonly IssuerSlot[] {
    const [latest] = this.proven;
    for (const key of this.all) {
      if (key === latest) continue;
      this.all.delete(key);
      this.all.add(key);
      return latest === undefined ? [key] : [latest, key];
    }
    return latest === undefined ? [] : [latest];
  }
}
