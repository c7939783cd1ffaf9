import {
  createHash,
  createPublicKey,
  hash,
  sign,
  verify,
  type JsonWebKey,
  type KeyObject,
} from 'node:crypto';
import { CertmillError, type Batch, type Counters } from '@certmill/domain';
import { serialNumberHexOf } from '../publish/find-certificates.js';
import type { Result } from '../publish/read-results.js';
import { linesOf } from './lines-of.js';

/** One line of a manifest: a certificate. */
export interface ManifestEntry {
  readonly index: number;
  readonly deviceId: string;
  readonly serialNumber: string;
  /** Of its DER, hex. */
  readonly sha256: string;
}

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
 * FAULT_PROCESSING, without a signature, where the certificates are not as many as were issued.
 */
export async function* manifestLines(
  groups: AsyncIterable<{ readonly results: readonly Result[] }>,
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
      const entry: ManifestEntry = {
        index,
        deviceId,
        serialNumber: serialNumberHexOf(certificateDer),
        sha256: hash('sha256', certificateDer, 'hex'),
      };
      lines += `${JSON.stringify(entry)}\n`;
    }
    if (lines === '') continue;
    const bytes = Buffer.from(lines);
    digest.update(bytes);
    yield bytes;
  }
  const { batch, profileHash, issuer, chainDer } = subject;
  if (certificates !== batch.counters.issued) {
    throw new CertmillError(
      'FAULT_PROCESSING',
      `the manifest of batch ${batch.batchId} would list ${String(certificates)} certificates of ${String(batch.counters.issued)}`,
    );
  }
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

export interface ManifestCheck {
  /** Absent: the key that the manifest names, which shows that nothing broke, not who signed. */
  readonly trustedKey?: KeyObject;
  /** Gets every entry in order, before the signature is known to be good. */
  readonly onEntry?: (entry: ManifestEntry) => void | Promise<void>;
}

/** Checks a manifest and resolves to what it says. INVALID_INPUT where anything does not fit. */
export async function verifyManifest(
  octets: AsyncIterable<Uint8Array>,
  check: ManifestCheck = {},
): Promise<ManifestSummary> {
  const digest = createHash('sha256');
  let entries = 0;
  let last: Buffer | undefined;
  for await (const lines of linesOf(octets)) {
    for (const line of lines) {
      if (last !== undefined) {
        digest.update(last);
        entries++;
        await check.onEntry?.(entryOf(last));
      }
      last = line;
    }
  }
  const summary = summaryOf(last, check.trustedKey);
  if (summary.certificates !== entries || summary.entriesSha256 !== digest.digest('hex')) {
    throw manifestMismatch('its lines are not those that were signed');
  }
  return summary;
}

export function manifestMismatch(reason: string): CertmillError {
  return new CertmillError('INVALID_INPUT', `the manifest does not fit: ${reason}`);
}

function entryOf(line: Buffer): ManifestEntry {
  const entry = objectOf(line.toString());
  if (Number.isSafeInteger(entry['index']) && typeof entry['sha256'] === 'string') {
    return entry as unknown as ManifestEntry;
  }
  throw manifestMismatch('it has a line that lists no certificate');
}

function summaryOf(line: Buffer | undefined, trustedKey: KeyObject | undefined): ManifestSummary {
  const { signature: jws } = objectOf(line?.toString() ?? '');
  const parts = typeof jws === 'string' ? jws.split('.') : [];
  const [header = '', payload = '', signature = ''] = parts;
  const { alg, jwk } = objectOf(fromBase64url(header).toString());
  const key = trustedKey ?? keyOf(jwk);
  const isSigned =
    parts.length === 3 &&
    alg === 'EdDSA' &&
    key !== undefined &&
    verify(null, Buffer.from(`${header}.${payload}`), key, fromBase64url(signature));
  const summary = objectOf(fromBase64url(payload).toString());
  if (!isSigned || summary['format'] !== 'certmill-manifest-v1') {
    throw manifestMismatch('its signature is missing, broken or of another key');
  }
  return summary as unknown as ManifestSummary;
}

function keyOf(jwk: unknown): KeyObject | undefined {
  try {
    return createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' });
  } catch {
    return undefined;
  }
}

function fromBase64url(text: string): Buffer {
  return Buffer.from(text, 'base64url');
}

/** Empty where the text is no JSON object. */
function objectOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
