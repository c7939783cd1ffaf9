import { verify, X509Certificate, type KeyObject } from 'node:crypto';
import {
  createCertificateWalk,
  createCertificationRequestWalk,
  walkCertificate,
  walkCertificationRequest,
} from '@certmill/der';
import {
  inFlightOf,
  serialNumbersOf,
  type Batch,
  type ChunkRef,
  type SerialKey,
  type TenantId,
} from '@certmill/domain';
import { decodeIssuedChunk, decodeReceivedChunk, decodeVerdict } from '@certmill/events';
import { PublicationNotices, segmentsOf } from '@certmill/pipeline';
import type {
  BatchStore,
  CertificateStore,
  OrderStore,
  Page,
  PageRequest,
  TenantStore,
  VerdictStore,
} from '@certmill/ports';
import type { Issuer } from '@certmill/trust';

export interface VerifiedStore {
  readonly batches: number;
  readonly certificates: number;
  readonly rejections: number;
  readonly inFlight: number;
  /** What is wrong, at most `maxFindings`; empty in a sound store. */
  readonly findings: readonly string[];
}

export type VerifiedPorts = TenantStore & OrderStore & BatchStore & CertificateStore & VerdictStore;

const maxFindings = 100;
const page: PageRequest = { limit: 500 };

/**
 * Our fsck, offline: every issued certificate has its request and an accepting verdict, its key is the
 * request's, its serial number is the one of its request (so it is unique: AES is a permutation) and
 * its signature verifies under its issuer; the counters of every batch are what its segments hold, and
 * no order has issued more than it reserved or reserved more than its quota.
 */
export async function verifyStore(
  store: VerifiedPorts,
  issuers: readonly Issuer[],
  serialKeys: readonly SerialKey[],
  onProgress: (certificates: number) => void,
): Promise<VerifiedStore> {
  const check = new StoreCheck(store, issuers, serialKeys, onProgress);
  for await (const tenant of all((request) => store.listTenants(request))) {
    for await (const order of all((request) => store.listOrders(tenant, request))) {
      let issued = 0;
      for await (const batch of all((request) =>
        store.listBatches(tenant, order.orderId, request),
      )) {
        issued += await check.batch(tenant, batch);
      }
      const reserved = await store.reservedUnder(tenant, order.orderId);
      if (issued > reserved || reserved > order.quota) {
        check.find(
          `order ${tenant}/${order.orderId}: issued ${String(issued)}, reserved ${String(reserved)}, quota ${String(order.quota)}`,
        );
      }
    }
  }
  return check.result;
}

async function* all<T>(list: (request: PageRequest) => Promise<Page<T>>): AsyncGenerator<T> {
  let cursor: string | undefined;
  do {
    const { items, next } = await list({ ...page, ...(cursor === undefined ? {} : { cursor }) });
    yield* items;
    cursor = next;
  } while (cursor !== undefined);
}

class StoreCheck {
  readonly #store: VerifiedPorts;
  readonly #keysByIssuer: ReadonlyMap<string, KeyObject>;
  readonly #serialKeys: ReadonlyMap<number, SerialKey>;
  readonly #onProgress: (certificates: number) => void;
  readonly #certificate = createCertificateWalk();
  readonly #request = createCertificationRequestWalk();
  readonly #findings: string[] = [];
  #batches = 0;
  #certificates = 0;
  #rejections = 0;
  #inFlight = 0;

  constructor(
    store: VerifiedPorts,
    issuers: readonly Issuer[],
    serialKeys: readonly SerialKey[],
    onProgress: (certificates: number) => void,
  ) {
    this.#store = store;
    this.#keysByIssuer = new Map(
      issuers.flatMap(({ name, chainDer: [own] }) =>
        own === undefined ? [] : [[name, new X509Certificate(own).publicKey]],
      ),
    );
    this.#serialKeys = new Map(serialKeys.map((key) => [key.id, key]));
    this.#onProgress = onProgress;
  }

  get result(): VerifiedStore {
    return {
      batches: this.#batches,
      certificates: this.#certificates,
      rejections: this.#rejections,
      inFlight: this.#inFlight,
      findings: this.#findings,
    };
  }

  find(finding: string): void {
    if (this.#findings.length < maxFindings) this.#findings.push(finding);
  }

  /** Resolves to the number of certificates of the batch. */
  async batch(tenant: TenantId, batch: Batch): Promise<number> {
    this.#batches++;
    this.#inFlight += inFlightOf(batch.counters);
    let issued = 0;
    let notIssued = 0;
    for await (const { chunk, segment } of this.#segments(tenant, batch)) {
      const verdict = await this.#store.getVerdict(chunk);
      const signedFor = decodeIssuedChunk(segment).verdict;
      if (verdict === undefined || Buffer.compare(verdict, signedFor) !== 0) {
        this.find(
          `batch ${batch.batchId}, chunk ${String(chunk.chunkNumber)}: its verdict is not the stored one`,
        );
      }
      const counts = this.#segment(batch, segment);
      issued += counts.issued;
      notIssued += counts.notIssued;
      this.#onProgress(this.#certificates);
    }
    const { counters } = batch;
    if (counters.issued !== issued || counters.rejected + counters.cancelled !== notIssued) {
      this.find(
        `batch ${batch.batchId}: counters say ${String(counters.issued)} issued and ` +
          `${String(counters.rejected + counters.cancelled)} not, segments hold ${String(issued)} and ${String(notIssued)}`,
      );
    }
    return issued;
  }

  /** Of every ended chunk, also behind one that has not ended. */
  async *#segments(
    tenant: TenantId,
    batch: Batch,
  ): AsyncGenerator<{ readonly chunk: ChunkRef; readonly segment: Uint8Array }> {
    const ports = {
      batches: this.#store,
      certificates: this.#store,
      notices: new PublicationNotices(),
    };
    let chunkNumber = 0;
    for (let index = 0; index < batch.counters.accepted;) {
      const chunk = { tenant, batchId: batch.batchId, chunkNumber };
      const registered = await this.#store.getRegistration(chunk);
      if (registered === undefined) return;
      const options = { follow: false, firstChunk: chunkNumber };
      for await (const { segment } of segmentsOf(ports, tenant, batch.batchId, options)) {
        yield { chunk, segment };
        break;
      }
      index = registered.firstIndex + registered.count;
      chunkNumber++;
    }
  }

  #segment(
    batch: Batch,
    segment: Uint8Array,
  ): { readonly issued: number; readonly notIssued: number } {
    const chunk = decodeIssuedChunk(segment);
    const received = decodeReceivedChunk(chunk.received);
    const verdict = decodeVerdict(chunk.verdict);
    const count = received.requestLengths.length;
    const serialKey = this.#serialKeys.get(received.serialKeyId);
    const issuerKey = this.#keysByIssuer.get(received.issuer);
    if (serialKey === undefined || issuerKey === undefined) {
      this.find(
        `batch ${batch.batchId}: serial key or issuer '${received.issuer}' is not in this folder`,
      );
      return { issued: 0, notIssued: count };
    }
    const { batchId, firstIndex, receivedAtMs } = received;
    const serials = serialNumbersOf(serialKey, batchId, firstIndex, count, receivedAtMs);
    let issued = 0;
    let certificateAt = 0;
    let requestAt = 0;
    for (let i = 0; i < count; i++) {
      const certificateEnd = certificateAt + (chunk.certificateLengths[i] ?? 0);
      const requestEnd = requestAt + (received.requestLengths[i] ?? 0);
      if (certificateEnd > certificateAt) {
        issued++;
        const certificate = chunk.certificatesDer.subarray(certificateAt, certificateEnd);
        const request = received.requestsDer.subarray(requestAt, requestEnd);
        const wrong =
          verdict.codes[i] === 0
            ? this.#defectOf(certificate, request, serials.subarray(i * 20, i * 20 + 20), issuerKey)
            : 'its verdict rejected it';
        if (wrong !== undefined)
          this.find(`batch ${batchId}, index ${String(firstIndex + i)}: ${wrong}`);
      }
      certificateAt = certificateEnd;
      requestAt = requestEnd;
    }
    this.#certificates += issued;
    this.#rejections += count - issued;
    return { issued, notIssued: count - issued };
  }

  #defectOf(
    certificate: Uint8Array,
    request: Uint8Array,
    serial: Uint8Array,
    issuerKey: KeyObject,
  ): string | undefined {
    const c = this.#certificate;
    const r = this.#request;
    if (!walkCertificate(certificate, 0, certificate.length, c))
      return 'the certificate is not DER';
    if (!walkCertificationRequest(request, 0, request.length, r))
      return 'its request is not stored';
    if (
      Buffer.compare(certificate.subarray(c.serialNumberStart, c.serialNumberEnd), serial) !== 0
    ) {
      return 'the serial number is not that of its request';
    }
    const certified = certificate.subarray(c.subjectPKInfoStart, c.subjectPKInfoEnd);
    if (
      Buffer.compare(certified, request.subarray(r.subjectPKInfoStart, r.subjectPKInfoEnd)) !== 0
    ) {
      return 'the certified key is not that of its request';
    }
    const tbs = certificate.subarray(c.tbsCertificateStart, c.tbsCertificateEnd);
    const signature = certificate.subarray(c.signatureStart, c.signatureEnd);
    const hash = /sha(?:256|384|512)$/.exec(c.signatureAlgorithm)?.[0] ?? null;
    return verify(hash, tbs, issuerKey, signature) ? undefined : 'the signature does not verify';
  }
}
