import { CertmillError } from '@certmill/domain';
import type { IssuanceTimeDocument } from './meta.js';
import { theOne } from './meta.js';
import type { Documents } from './connection/documents.js';
import { SharedRun } from './connection/shared-run.js';

/** The latest time that was pinned, in one document that all processes raise. */
export class IssuanceTime {
  readonly #documents: Documents<IssuanceTimeDocument>;
  readonly #raising: SharedRun<void>;
  #wantedMs = 0;
  /** Durable: what some process had raised it to. */
  #knownMs = 0;

  /** @param onKnown Told what is durable after each raising; what it throws is the raising's fault. */
  constructor(
    documents: Documents<IssuanceTimeDocument>,
    onKnown: (atMs: number) => void = () => undefined,
  ) {
    this.#documents = documents;
    this.#raising = new SharedRun(async () => {
      if (this.#wantedMs <= this.#knownMs) return;
      const raise = { $max: { atMs: this.#wantedMs } };
      const after = await this.#documents.updateAndGet({ _id: theOne }, raise, ['atMs']);
      this.#knownMs = required(after).atMs;
      onKnown(this.#knownMs);
    });
  }

  /** Resolves once it is durable that the time is no earlier. Calls that wait share one update. */
  async pin(atMs: number): Promise<void> {
    if (atMs <= this.#knownMs) return;
    this.#wantedMs = Math.max(this.#wantedMs, atMs);
    await this.#raising.run();
  }

  async last(): Promise<number> {
    return required(await this.#documents.get(theOne)).atMs;
  }
}

function required(document: IssuanceTimeDocument | undefined): IssuanceTimeDocument {
  if (document !== undefined) return document;
  throw new CertmillError('FAULT_STORE_CORRUPT', 'the time of the last issuance is missing');
}
