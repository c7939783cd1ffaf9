import { createHash, createPublicKey, hash, sign, verify, type KeyObject } from 'node:crypto';
import { CertmillError, type Batch, type Counters } from '@certmill/domain';
import { serialNumberOf } from '@certmill/pipeline';
import { hexOf } from './encode-lines.js';
import type { ResultGroup } from './result-groups.js';

/** What the signature of a manifest covers. */
export interface ManifestSummary {
  readonly format: 'certmill-manifest-v1';
  readonly tenant: string;
  readonly batchId: string;
  readonly orderId: string;
  readonly profileHash: string;
  readonly issuer: string;
  readonly completedAt?: string;
  readonly counters: Counters;
  /** SHA-256 of each certificate from the issuing CA to the root, hex. */
  readonly chainSha256: readonly string[];
  readonly certificates: number;
  /** SHA-256 of all lines before the last one, with their line ends, hex. */
  readonly entriesSha256: string;
}

export interface ManifestSubject {
  readonly batch: Batch;
  readonly profileHash: string;
  readonly issuer: string;
  readonly chainDer: readonly Uint8Array[];
}

/**
 * The manifest of a complete batch as NDJSON: one line per certificate, then a last line
 * `{"signature": <JWS>}`: compact JWS (RFC 7515) with EdDSA (RFC 8037) over the ManifestSummary,
 * which holds the digest of the lines. It is written and checked in one pass, whatever its size.
 */
export async function* manifestLines(
  groups: AsyncIterable<ResultGroup>,
  subject: ManifestSubject,
  key: KeyObject,
): AsyncGenerator<Uint8Array> {
  const digest = createHash('sha256');
  let certificates = 0;
  for await (const { results } of groups) {
    let lines = '';
    for (const { index, deviceId, certificateDer } of results) {
      if (certificateDer === undefined) continue;
      certificates++;
      const serialNumber = hexOf(serialNumberOf(certificateDer));
      const sha256 = hash('sha256', certificateDer, 'hex');
      lines += `${JSON.stringify({ index, deviceId, serialNumber, sha256 })}\n`;
    }
    if (lines === '') continue;
    const bytes = Buffer.from(lines);
    digest.update(bytes);
    yield bytes;
  }
  const { batch, profileHash, issuer, chainDer } = subject;
  const summary: ManifestSummary = {
    format: 'certmill-manifest-v1',
    tenant: batch.tenant,
    batchId: batch.batchId,
    orderId: batch.orderId,
    profileHash,
    issuer,
    ...(batch.completedAtMs === undefined
      ? {}
      : { completedAt: new Date(batch.completedAtMs).toISOString() }),
    counters: batch.counters,
    chainSha256: chainDer.map((der) => hash('sha256', der, 'hex')),
    certificates,
    entriesSha256: digest.digest('hex'),
  };
  yield Buffer.from(`${JSON.stringify({ signature: compactJws(summary, key) })}\n`);
}

function compactJws(payload: object, key: KeyObject): string {
  const jwk = createPublicKey(key).export({ format: 'jwk' });
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'EdDSA', jwk })}.${part(payload)}`;
  return `${signed}.${sign(null, Buffer.from(signed), key).toString('base64url')}`;
}

/**
 * Checks a manifest and resolves to what it says. The key in its header is only a hint: give the key
 * that you trust. INVALID_INPUT where anything does not fit.
 */
export async function verifyManifest(
  octets: AsyncIterable<Uint8Array>,
  trustedKey: KeyObject,
): Promise<ManifestSummary> {
  const digest = createHash('sha256');
  let rest = Buffer.alloc(0);
  for await (const chunk of octets) {
    const bytes = Buffer.concat([rest, chunk]);
    // The last whole line may be the signature: it and what follows stay out of the digest.
    const end = bytes.lastIndexOf(0x0a, bytes.length - 2) + 1;
    digest.update(bytes.subarray(0, end));
    rest = bytes.subarray(end);
  }
  const summary = summaryOf(rest.toString(), trustedKey);
  if (summary?.entriesSha256 !== digest.digest('hex')) {
    throw new CertmillError(
      'INVALID_INPUT',
      'the manifest was changed or is signed by another key',
    );
  }
  return summary;
}

function summaryOf(line: string, trustedKey: KeyObject): ManifestSummary | undefined {
  const jws = /^\{"signature":"([\w-]+)\.([\w-]+)\.([\w-]+)"\}\n$/.exec(line);
  if (jws === null) return undefined;
  const [, header = '', payload = '', signature = ''] = jws;
  const signed = Buffer.from(`${header}.${payload}`);
  if (!verify(null, signed, trustedKey, Buffer.from(signature, 'base64url'))) return undefined;
  return JSON.parse(Buffer.from(payload, 'base64url').toString()) as ManifestSummary;
}
