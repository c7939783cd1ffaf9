import {
  createHash,
  createPublicKey,
  hash,
  verify,
  type JsonWebKey,
  type KeyObject,
} from 'node:crypto';
import { createReadStream } from 'node:fs';
import { z } from 'zod';
import { CertmillError } from '@certmill/domain';
import { certificateOf, parseCertificateLine } from './certificate-line.js';
import { linesOf } from './lines-of.js';

const entrySchema = z.looseObject({ index: z.int(), sha256: z.string() });
const signatureSchema = z.object({ signature: z.string() });
const headerSchema = z.looseObject({ alg: z.literal('EdDSA'), jwk: z.looseObject({}).optional() });
const summarySchema = z.looseObject({
  format: z.literal('certmill-manifest-v1'),
  batchId: z.string(),
  certificates: z.int(),
  entriesSha256: z.string(),
});

export interface ManifestCheck {
  readonly batchId: string;
  readonly manifestFile: string;
  /** The certificates as NDJSON, compared one by one; absent: only the manifest is checked. */
  readonly certificatesFile?: string;
  /** Absent: the key that the manifest names, which shows that nothing broke, not who signed. */
  readonly trustedKey?: KeyObject;
}

/**
 * Checks a manifest (NDJSON, its last line a compact JWS, RFC 7515, EdDSA, RFC 8037) and that the
 * certificates are exactly those it lists, in one pass. INVALID_INPUT says what does not fit.
 * Resolves with the number of certificates.
 */
export async function verifyManifest(check: ManifestCheck): Promise<number> {
  const certificates =
    check.certificatesFile === undefined ? undefined : singleLines(check.certificatesFile);
  const digest = createHash('sha256');
  let count = 0;
  let last: Buffer | undefined;
  for await (const line of singleLines(check.manifestFile)) {
    if (last !== undefined) {
      digest.update(last);
      count++;
      if (certificates !== undefined) await compare(last, certificates);
    }
    last = line;
  }
  if (certificates !== undefined && (await certificates.next()).done !== true) {
    throw mismatch('there are certificates that it does not list');
  }
  const summary = summaryOf(last, check.trustedKey);
  if (
    summary.batchId !== check.batchId ||
    summary.certificates !== count ||
    summary.entriesSha256 !== digest.digest('hex')
  ) {
    throw mismatch('its lines are not those that were signed');
  }
  return count;
}

async function compare(entryLine: Buffer, certificates: AsyncGenerator<Buffer>): Promise<void> {
  const entry = entrySchema.safeParse(parseJson(entryLine.toString())).data;
  if (entry === undefined) throw mismatch('it has a line that lists no certificate');
  const next = await certificates.next();
  if (next.done === true) throw mismatch(`the certificate of index ${entry.index} is missing`);
  const { index, certificatePem } = parseCertificateLine(next.value.toString());
  const { der } = certificateOf(certificatePem);
  if (index !== entry.index || hash('sha256', der, 'hex') !== entry.sha256) {
    throw mismatch(`the certificate of index ${index} is not the one that it lists`);
  }
}

function summaryOf(
  line: Buffer | undefined,
  trustedKey: KeyObject | undefined,
): z.infer<typeof summarySchema> {
  const jws = signatureSchema.safeParse(parseJson(line?.toString() ?? '')).data?.signature ?? '';
  const [header = '', payload = '', signature = ''] = jws.split('.');
  const head = headerSchema.safeParse(decoded(header)).data;
  const key = trustedKey ?? (head?.jwk === undefined ? undefined : keyOf(head.jwk));
  const isSigned =
    head !== undefined &&
    key !== undefined &&
    verify(null, Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url'));
  const summary = summarySchema.safeParse(decoded(payload)).data;
  if (!isSigned || summary === undefined) {
    throw mismatch('its signature is missing, broken or of another key');
  }
  return summary;
}

function keyOf(jwk: JsonWebKey): KeyObject | undefined {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    return undefined;
  }
}

async function* singleLines(file: string): AsyncGenerator<Buffer> {
  for await (const lines of linesOf(createReadStream(file) as AsyncIterable<Buffer>)) yield* lines;
}

function decoded(part: string): unknown {
  return parseJson(Buffer.from(part, 'base64url').toString());
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function mismatch(reason: string): CertmillError {
  return new CertmillError('INVALID_INPUT', `the manifest does not fit: ${reason}`);
}
