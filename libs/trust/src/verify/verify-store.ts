import { verify, X509Certificate, type KeyObject } from 'node:crypto';
import {
  createCertificateWalk,
  createCertificationRequestWalk,
  walkCertificate,
  walkCertificationRequest,
} from '@certmill/der';
import {
  chunkIdOf,
  inFlightOf,
  isCertmillError,
  profileOfCanonical,
  serialNumbersOf,
  type Batch,
  type BatchId,
  type ChunkRef,
  type FaultCode,
  type SerialKey,
  type TenantId,
} from '@certmill/domain';
import {
  decodeIssuedChunk,
  decodeReceivedChunk,
  decodeVerdict,
  type ReceivedChunk,
} from '@certmill/events';
import { certificatesIn } from '@certmill/pipeline';
import { compileProfile, type Validity } from '@certmill/pipeline/compute';
import type {
  AuditStore,
  BatchStore,
  CertificateStore,
  OrderStore,
  Page,
  PageRequest,
  ProfileStore,
  RevocationStore,
  TenantStore,
  VerdictStore,
} from '@certmill/ports';
import { chainDefectOf, type Issuer } from '../hierarchy/load-issuers.js';
import { checkRevocations, checkRowsOf } from './check-revocations.js';
import { type IssuerLife, IssuerLifeReader } from './issuer-lives.js';

export interface VerifiedStore {
  readonly batches: number;
  readonly certificates: number;
  readonly rejections: number;
  readonly inFlight: number;
  /** What is wrong, the first 10,000; empty in a sound store. */
  readonly findings: readonly string[];
  /** How many more there are. */
  readonly findingsLeftOut: number;
}

export type VerifiedPorts = TenantStore &
  Pick<ProfileStore, 'getProfile'> &
  OrderStore &
  BatchStore &
  CertificateStore &
  VerdictStore &
  RevocationStore &
  AuditStore;

/** What is checked: a store at rest with its log, and what its certificates are held against. */
export interface VerifiedParts {
  readonly store: VerifiedPorts;
  readonly issuers: readonly Issuer[];
  readonly serialKeys: readonly SerialKey[];
  readonly log: ChunksInLog;
}

const maxFindings = 10_000;
const page: PageRequest = { limit: 500 };

/**
 * Our fsck, offline: every issued certificate has its request and an accepting verdict, its key is the
 * request's, its serial number is the one of its request (so it is unique: AES is a permutation), its
 * validity and profile are what its issuer's certificate left room for, that in force or one before a renewal, it names
 * its issuer and its signature verifies under it, and so does each certificate of the issuer's chain up to the root; the counters of
 * every batch are what its chunks hold, no order has issued more than it reserved or reserved more than its
 * quota, and every chunk that was accepted and has not ended is in the log, still to be handled, or kept as
 * a dead letter; statuses and the rows of CRLs say the same, and the chain of the audit trail is whole.
 * Damage is told and passed over.
 */
export async function verifyStore(
  parts: VerifiedParts,
  onProgress: (certificates: number) => void,
): Promise<VerifiedStore> {
  const { store, log, issuers } = parts;
  const check = new StoreCheck(parts, onProgress);
  for (const issuer of issuers) {
    const defect = chainDefectOf(issuer);
    if (defect !== undefined) check.find(`issuer '${issuer.name}': ${defect}`);
  }
  for (const damage of log.damages) check.find(damage);
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
  await check.revocations();
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

/** What is wrong with a segment, not with the machine it is read on. */
const damageCodes: ReadonlySet<FaultCode> = new Set([
  'FAULT_STORE_CORRUPT',
  'FAULT_EVENT_UNDECODABLE',
]);

/** Requests of a batch, by what its chunks say. */
interface HeldRequests {
  readonly accepted: number;
  readonly deadLettered: number;
  readonly issued: number;
  readonly notIssued: number;
  /** In segments that cannot be read. */
  readonly damaged: number;
}

function nameOf({ batchId, chunkNumber }: ChunkRef): string {
  return `batch ${batchId}, chunk ${String(chunkNumber)}`;
}

/** Ids of chunks. */
export interface ChunksInLog {
  /** Still to be handled by a stage. */
  readonly pending: ReadonlySet<string>;
  readonly deadLetters: ReadonlySet<string>;
  readonly damages: readonly string[];
}

/** What a certificate is held against. */
interface Expected {
  readonly issuer: Issuer;
  readonly issuerKey: KeyObject;
  /** That of its certificate in force first. */
  readonly lives: readonly [ExpectedLife, ...ExpectedLife[]];
  /** Whether the profile gives certificates in one of them. */
  readonly isGiven: boolean;
}

/** One life of an issuer, and what a profile gives in it. */
interface ExpectedLife extends IssuerLife {
  /** Undefined where that is nothing. */
  readonly validity: Validity | undefined;
}

interface KnownIssuer extends Pick<Expected, 'issuer' | 'issuerKey'> {
  readonly lives: readonly [IssuerLife, ...IssuerLife[]];
}

class StoreCheck {
  readonly #store: VerifiedPorts;
  readonly #log: ChunksInLog;
  readonly #issuers: ReadonlyMap<string, KnownIssuer>;
  /** By issuer, its certificate and profile hash: what the profile gives there at a time, or why it gives nothing. */
  readonly #validityRules = new Map<string, ((receivedAtMs: number) => Validity) | string>();
  readonly #serialKeys: ReadonlyMap<number, SerialKey>;
  readonly #onProgress: (certificates: number) => void;
  readonly #certificate = createCertificateWalk();
  readonly #request = createCertificationRequestWalk();
  readonly #findings: string[] = [];
  /** By batch: a row of a CRL does not say whose it is. */
  readonly #tenants = new Map<BatchId, TenantId>();
  #findingsLeftOut = 0;
  #batches = 0;
  #certificates = 0;
  #rejections = 0;
  #inFlight = 0;

  constructor(
    { store, issuers, serialKeys, log }: VerifiedParts,
    onProgress: (certificates: number) => void,
  ) {
    this.#store = store;
    this.#log = log;
    const reader = new IssuerLifeReader();
    this.#issuers = new Map(
      issuers.flatMap((issuer) => {
        const [own] = issuer.chainDer;
        if (own === undefined) return [];
        const issuerKey = new X509Certificate(own).publicKey;
        const { lives, unread } = reader.of(issuer);
        for (const file of unread) this.find(`issuer '${issuer.name}': ${file} cannot be read`);
        return [[issuer.name, { issuer, issuerKey, lives }]];
      }),
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
      findingsLeftOut: this.#findingsLeftOut,
    };
  }

  find(finding: string): void {
    if (this.#findings.length < maxFindings) this.#findings.push(finding);
    else this.#findingsLeftOut++;
  }

  /** After the batches: rows of CRLs, and the audit trail. */
  async revocations(): Promise<void> {
    await checkRevocations({
      store: this.#store,
      issuers: [...this.#issuers.values()].map(({ issuer }) => issuer),
      serialKeys: this.#serialKeys,
      tenantOf: (batchId) => this.#tenants.get(batchId),
      find: (finding) => this.find(finding),
    });
  }

  /** Resolves to the number of certificates of the batch. */
  async batch(tenant: TenantId, batch: Batch): Promise<number> {
    this.#batches++;
    this.#tenants.set(batch.batchId, tenant);
    this.#inFlight += inFlightOf(batch.counters);
    const held = { accepted: 0, deadLettered: 0, issued: 0, notIssued: 0, damaged: 0 };
    const { batchId } = batch;
    for (let chunkNumber = 0; ; chunkNumber++) {
      const chunk = { tenant, batchId, chunkNumber };
      const registered = await this.#store.getRegistration(chunk);
      const state = registered && (await this.#store.chunkState(chunk));
      if (registered === undefined || state === undefined) break;
      if (state.durable) held.accepted += registered.count;
      if (!state.ended) {
        if (await this.#openChunk(chunk, state.durable)) held.deadLettered += registered.count;
        continue;
      }
      const counts = await this.#endedChunk(batch, chunk);
      if (counts === undefined) held.damaged += registered.count;
      held.issued += counts?.issued ?? 0;
      held.notIssued += counts?.notIssued ?? 0;
      this.#onProgress(this.#certificates);
    }
    this.#counters(batch, held);
    return held.issued;
  }

  #counters({ batchId, counters }: Batch, held: HeldRequests): void {
    const { accepted, issued, rejected, cancelled, deadLettered } = counters;
    const notIssued = rejected + cancelled;
    if (accepted !== held.accepted || deadLettered !== held.deadLettered) {
      this.find(
        `batch ${batchId}: counters say ${String(accepted)} accepted and ${String(deadLettered)} dead-lettered, ` +
          `its chunks hold ${String(held.accepted)} and ${String(held.deadLettered)}`,
      );
    }
    const unread = issued + notIssued - held.issued - held.notIssued;
    // What damaged segments hold is not known but by number.
    const isPossible =
      unread === held.damaged && issued >= held.issued && notIssued >= held.notIssued;
    if (isPossible) return;
    this.find(
      `batch ${batchId}: counters say ${String(issued)} issued and ${String(notIssued)} not, ` +
        `segments hold ${String(held.issued)} and ${String(held.notIssued)}`,
    );
  }

  /** A chunk that has not ended. Resolves to whether it counts as dead-lettered. */
  async #openChunk(chunk: ChunkRef, isDurable: boolean): Promise<boolean> {
    const id = chunkIdOf(chunk);
    const letter = await this.#store.getDeadLetter(chunk);
    if (letter !== undefined && !this.#log.deadLetters.has(id)) {
      this.find(`${nameOf(chunk)}: the record of this dead letter is lost; it can be dropped`);
    } else if (letter === undefined && isDurable && !this.#log.pending.has(id)) {
      this.find(`${nameOf(chunk)}: lost: it was accepted, has not ended and is not in the log`);
    }
    return letter !== undefined && letter.retriedAtMs === undefined;
  }

  /** Undefined where its segment is damaged. */
  async #endedChunk(
    batch: Batch,
    chunk: ChunkRef,
  ): Promise<{ readonly issued: number; readonly notIssued: number } | undefined> {
    try {
      const segment = (await this.#store.getSegment(chunk)) ?? new Uint8Array();
      const verdict = await this.#store.getVerdict(chunk);
      const signedFor = decodeIssuedChunk(segment).verdict;
      if (verdict === undefined || Buffer.compare(verdict, signedFor) !== 0) {
        this.find(`${nameOf(chunk)}: its verdict is not the stored one`);
      }
      const received = decodeReceivedChunk(decodeIssuedChunk(segment).received);
      const known = this.#issuers.get(received.issuer);
      const expected = known && (await this.#expectedOf(chunk, received, known));
      if (known !== undefined) await this.#statuses(chunk, segment, received, known.issuer);
      return this.#segment(batch, segment, received, expected);
    } catch (error) {
      if (!isCertmillError(error) || !damageCodes.has(error.code)) throw error;
      this.find(`${nameOf(chunk)}: ${error.message}`);
      return undefined;
    }
  }

  async #statuses(
    chunk: ChunkRef,
    segment: Uint8Array,
    { firstIndex, requestLengths }: ReceivedChunk,
    issuer: Issuer,
  ): Promise<void> {
    const { tenant, batchId } = chunk;
    const count = requestLengths.length;
    const statuses = await this.#store.listStatuses(tenant, batchId, firstIndex, count);
    if (statuses.size === 0) return;
    const shards = issuer.status?.crlShards ?? 0;
    const issued = certificatesIn(chunk, segment, () => shards);
    const changed = issued.flatMap(({ index, serialNumber }) => {
      const status = statuses.get(index);
      return status === undefined ? [] : [{ index, serialNumber, status }];
    });
    const parts = { store: this.#store, find: (finding: string) => this.find(finding) };
    await checkRowsOf(parts, issuer, batchId, changed);
    if (changed.length < statuses.size) {
      this.find(`batch ${batchId}: what was not issued has a status`);
    }
  }

  async #expectedOf(
    chunk: ChunkRef,
    { tenant, profileHash, receivedAtMs }: ReceivedChunk,
    { issuer, issuerKey, lives }: KnownIssuer,
  ): Promise<Expected> {
    const reasons: string[] = [];
    const validityIn = async (life: IssuerLife, index: number): Promise<Validity | undefined> => {
      const id = `${issuer.name} ${String(index)} ${tenant} ${profileHash}`;
      const rule =
        this.#validityRules.get(id) ?? (await this.#ruleOf(tenant, profileHash, issuer, life));
      this.#validityRules.set(id, rule);
      try {
        if (typeof rule !== 'string') return rule(receivedAtMs);
        reasons.push(rule);
      } catch (error) {
        if (!isCertmillError(error)) throw error;
        reasons.push(error.message);
      }
      return undefined;
    };
    const [inForce, ...former] = lives;
    const first = { ...inForce, validity: await validityIn(inForce, 0) };
    const others: ExpectedLife[] = [];
    for (const [index, life] of former.entries()) {
      others.push({ ...life, validity: await validityIn(life, index + 1) });
    }
    const isGiven = reasons.length < lives.length;
    if (!isGiven) this.find(`${nameOf(chunk)}: ${reasons[0] ?? ''}`);
    return { issuer, issuerKey, lives: [first, ...others], isGiven };
  }

  async #ruleOf(
    tenant: TenantId,
    profileHash: string,
    issuer: Issuer,
    { subjectDer, notBeforeMs, notAfterMs, nameConstraints, extKeyUsage, policies }: IssuerLife,
  ): Promise<((receivedAtMs: number) => Validity) | string> {
    try {
      const stored = await this.#store.getProfile(tenant, profileHash);
      if (stored === undefined) return `its profile ${profileHash} is not known here`;
      const { name, signatureAlgorithm, keyIdentifier, status } = issuer;
      const compiled = compileProfile(profileOfCanonical(stored.canonical, profileHash), {
        ...{ name, signatureAlgorithm, keyIdentifier, subjectDer, notBeforeMs, notAfterMs },
        ...(status === undefined ? {} : { status }),
        ...(nameConstraints === undefined ? {} : { nameConstraints }),
        ...(extKeyUsage === undefined ? {} : { extKeyUsage }),
        ...(policies === undefined ? {} : { policies }),
      });
      return (receivedAtMs) => compiled.validityAt(receivedAtMs);
    } catch (error) {
      if (!isCertmillError(error) || error.disposition === 'retry') throw error;
      return `its profile ${profileHash} gives no certificates: ${error.message}`;
    }
  }

  #segment(
    batch: Batch,
    segment: Uint8Array,
    received: ReceivedChunk,
    expected: Expected | undefined,
  ): { readonly issued: number; readonly notIssued: number } {
    const chunk = decodeIssuedChunk(segment);
    const verdict = decodeVerdict(chunk.verdict);
    const count = received.requestLengths.length;
    const serialKey = this.#serialKeys.get(received.serialKeyId);
    if (serialKey === undefined || expected === undefined) {
      this.find(
        `batch ${batch.batchId}: serial key or issuer '${received.issuer}' is not known here`,
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
            ? this.#defectOf(certificate, request, serials.subarray(i * 20, i * 20 + 20), expected)
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
    { issuerKey, lives, isGiven }: Expected,
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
    const name = certificate.subarray(c.issuerStart, c.issuerEnd);
    const named = lives.filter(({ subjectDer }) => Buffer.compare(name, subjectDer) === 0);
    if (named.length === 0) return 'it does not name its issuer';
    const { notBeforeSeconds, notAfterSeconds } = c;
    const around = named.filter(
      ({ notBeforeMs, notAfterMs }) =>
        notBeforeSeconds * 1_000 >= notBeforeMs && notAfterSeconds * 1_000 <= notAfterMs,
    );
    if (around.length === 0) return "its validity is not within its issuer's";
    const isAsGiven = around.some(
      ({ validity }) =>
        validity?.notBefore === notBeforeSeconds && validity.notAfter === notAfterSeconds,
    );
    if (isGiven && !isAsGiven) return 'its validity is not what its profile gives';
    const tbs = certificate.subarray(c.tbsCertificateStart, c.tbsCertificateEnd);
    const signature = certificate.subarray(c.signatureStart, c.signatureEnd);
    const hash = /sha(?:256|384|512)$/.exec(c.signatureAlgorithm)?.[0] ?? null;
    return verify(hash, tbs, issuerKey, signature) ? undefined : 'the signature does not verify';
  }
}
