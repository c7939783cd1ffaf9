import type { CertIdRange } from '@certmill/der';

/** Issuers that a thread may read answers of, by what their CertIDs have in common. */
export class ReadableIssuers {
  readonly #untilMs = new Map<string, number>();

  /** @param certId Of a request that was answered; only issuers that are known come here. */
  allow(requestDer: Uint8Array, certId: CertIdRange, untilMs: number): void {
    if (this.#untilMs.size >= maxIssuers) this.#untilMs.clear();
    this.#untilMs.set(keyOf(requestDer, certId), untilMs);
  }

  has(requestDer: Uint8Array, certId: CertIdRange, nowMs: number): boolean {
    return nowMs < (this.#untilMs.get(keyOf(requestDer, certId)) ?? 0);
  }

  clear(): void {
    this.#untilMs.clear();
  }
}

/** Twice as many as there may be issuers, each by two hashes; what is dropped is asked for again. */
const maxIssuers = 40_000;

function keyOf(
  { buffer, byteOffset }: Uint8Array,
  { issuerNameHashStart, issuerKeyHashEnd }: CertIdRange,
): string {
  const length = issuerKeyHashEnd - issuerNameHashStart;
  return Buffer.from(buffer, byteOffset + issuerNameHashStart, length).toString('latin1');
}
