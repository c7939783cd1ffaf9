import { createHash } from 'node:crypto';
import { crlCountOf, type CaCrlEnd, type DelegateEnd } from '@certmill/domain';
import type { Clock, CrlScope, CrlStore, StoredCrl } from '@certmill/ports';
import { hasTag } from './entity-tag.js';

/** What a relying party may fetch about CAs, without a credential (RFC 5280 3, 4.2.1.13, 4.2.2.1). */
export interface RepositoryParts {
  readonly crls: Pick<CrlStore, 'getCrl' | 'describeCrl'>;
  readonly clock: Clock;
  /** Shards of an issuer's CRL, 0 for one of everything; undefined for an unknown issuer. */
  readonly shardsOf: (issuer: string) => number | undefined;
  /** Certificate of a CA, DER; undefined for an unknown name. */
  readonly certificateOf: (ca: string) => Promise<Uint8Array | undefined>;
  /** The CRL of the CA certificates that a CA has signed, DER, where it has made one. */
  readonly caCrlOf: (ca: string) => Promise<Uint8Array | undefined>;
  /** When those are to be replaced. */
  readonly caCrlEnds: () => readonly CaCrlEnd[];
  /** Who speaks for issuers, and for the CAs above them, as far as this process can see. */
  readonly delegateEnds?: (issuers: readonly string[]) => Promise<readonly DelegateEnd[]>;
}

/** Octets with what a cache needs to know of them (RFC 9110 8.8, RFC 9111 5.2). */
export interface PublishedFile {
  readonly mediaType: 'application/pkix-crl' | 'application/pkix-cert';
  /** Strong, with its quotes. */
  readonly etag: string;
  readonly lastModifiedMs?: number;
  readonly maxAgeSeconds: number;
  /** Absent where the client has it: its If-None-Match has the entity tag. */
  readonly der?: Uint8Array;
}

/**
 * A cache may keep a CRL until its nextUpdate, but a revocation is to be seen sooner: after this many
 * seconds it asks whether there is another one, which costs it a 304.
 */
const longestCacheSeconds = 3_600;
/** Octets of CRLs in memory: they are the same for everybody. */
const maxKeptBytes = 64 * 1024 * 1024;
/** How long a description serves without the store being asked again. */
const freshForMs = 1_000;
const maxDescriptions = 10_000;

type Description = Omit<StoredCrl, 'der'>;

/** CRLs and CA certificates as they are served. */
export class Repository {
  readonly #parts: RepositoryParts;
  readonly #descriptions = new Map<
    string,
    { readonly crl: Description | undefined; readonly readAtMs: number }
  >();
  readonly #kept = new Map<string, StoredCrl>();
  #keptBytes = 0;
  #reading: Promise<unknown> = Promise.resolve();

  constructor(parts: RepositoryParts) {
    this.#parts = parts;
  }

  /** @param ifNoneMatch The header of the call (RFC 9110 13.1.2). */
  async findCrl(
    scope: CrlScope,
    kind: StoredCrl['kind'],
    ifNoneMatch: string | undefined,
  ): Promise<PublishedFile | undefined> {
    const shards = this.#parts.shardsOf(scope.issuer);
    if (shards === undefined || scope.shard >= crlCountOf({ crlShards: shards })) return undefined;
    const described = await this.#describe(scope, kind);
    if (described === undefined) return undefined;
    if (hasTag(ifNoneMatch, etagOf(described))) return this.#fileOf(described);
    // Its own description: it may have been replaced meanwhile.
    const crl = await this.#get(described);
    return crl && { ...this.#fileOf(crl), der: crl.der };
  }

  async findCertificate(ca: string, ifNoneMatch?: string): Promise<PublishedFile | undefined> {
    return fileOf(await this.#parts.certificateOf(ca), 'application/pkix-cert', ifNoneMatch);
  }

  async findCaCrl(ca: string, ifNoneMatch?: string): Promise<PublishedFile | undefined> {
    return fileOf(await this.#parts.caCrlOf(ca), 'application/pkix-crl', ifNoneMatch);
  }

  caCrlEnds(): readonly CaCrlEnd[] {
    return this.#parts.caCrlEnds();
  }

  /** As in the parts; empty where nobody says. */
  async delegateEnds(issuers: readonly string[]): Promise<readonly DelegateEnd[]> {
    return (await this.#parts.delegateEnds?.(issuers)) ?? [];
  }

  #fileOf(crl: Description): PublishedFile {
    const leftSeconds = Math.floor((crl.nextUpdateMs - this.#parts.clock.nowMs()) / 1_000);
    return {
      mediaType: 'application/pkix-crl',
      etag: etagOf(crl),
      lastModifiedMs: crl.thisUpdateMs,
      maxAgeSeconds: Math.max(0, Math.min(leftSeconds, longestCacheSeconds)),
    };
  }

  async #describe(scope: CrlScope, kind: StoredCrl['kind']): Promise<Description | undefined> {
    const key = keyOf(scope, kind);
    const nowMs = this.#parts.clock.nowMs();
    const known = this.#descriptions.get(key);
    if (known !== undefined && Math.abs(nowMs - known.readAtMs) < freshForMs) return known.crl;
    const crl = await this.#parts.crls.describeCrl(scope, kind);
    this.#descriptions.delete(key);
    this.#descriptions.set(key, { crl, readAtMs: nowMs });
    for (const oldest of this.#descriptions.keys()) {
      if (this.#descriptions.size <= maxDescriptions) break;
      this.#descriptions.delete(oldest);
    }
    return crl;
  }

  /** One at a time is read, and once for all who wait: each may have many octets. */
  async #get(described: Description): Promise<StoredCrl | undefined> {
    const kept = this.#keptOf(described);
    if (kept !== undefined) return kept;
    const turn = this.#reading.then(() => this.#read(described));
    this.#reading = turn.catch(() => undefined);
    return turn;
  }

  async #read(described: Description): Promise<StoredCrl | undefined> {
    const kept = this.#keptOf(described);
    if (kept !== undefined) return kept;
    const crl = await this.#parts.crls.getCrl(described.scope, described.kind);
    if (crl !== undefined) this.#keep(crl);
    return crl;
  }

  #keptOf({ scope, kind, crlNumber }: Description): StoredCrl | undefined {
    const kept = this.#kept.get(keyOf(scope, kind));
    return kept !== undefined && kept.crlNumber >= crlNumber ? kept : undefined;
  }

  #keep(crl: StoredCrl): void {
    const key = keyOf(crl.scope, crl.kind);
    this.#forget(key);
    this.#kept.set(key, crl);
    this.#keptBytes += crl.der.length;
    // The newest stays however large it is: read for each call it would be there many times.
    for (const oldest of this.#kept.keys()) {
      if (this.#keptBytes <= maxKeptBytes || this.#kept.size === 1) break;
      this.#forget(oldest);
    }
  }

  #forget(key: string): void {
    this.#keptBytes -= this.#kept.get(key)?.der.length ?? 0;
    this.#kept.delete(key);
  }
}

function keyOf({ issuer, shard }: CrlScope, kind: StoredCrl['kind']): string {
  return `${issuer}/${String(shard)}/${kind}`;
}

function etagOf({ crlNumber }: Description): string {
  return `"${crlNumber.toString(16)}"`;
}

function fileOf(
  der: Uint8Array | undefined,
  mediaType: PublishedFile['mediaType'],
  ifNoneMatch: string | undefined,
): PublishedFile | undefined {
  if (der === undefined) return undefined;
  const etag = `"${createHash('sha256').update(der).digest('hex').slice(0, 32)}"`;
  const file = { mediaType, etag, maxAgeSeconds: longestCacheSeconds };
  return hasTag(ifNoneMatch, etag) ? file : { ...file, der };
}
