import {
  leastRequestsPerChunk,
  maxChunkBytes,
  maxDeviceIdBytes,
  maxRecordBytes,
  maxRequestsPerChunk,
  profileSlots,
  requestBounds,
  type Profile,
} from '@certmill/domain';
import { maxCertificatesBytes, maxValuesBytes, maxValuesPerRequest } from '@certmill/events';
import type { LintFinding } from '../lint/lint-rule.js';
import { largestCertificateBytes, type SampleIssuer } from './sample-certificates.js';

/** UTF-8: four octets for a character outside the BMP. */
const maxBytesPerCharacter = 4;
const chunk = `a chunk of ${String(leastRequestsPerChunk)} requests`;
const udidBytes = 32;
/** Headers, framing, and what a chunk has once. */
const recordHeadBytes = 64 * 1024;
/** Of a request in the columns of a record, beside its DER, its certificate and its values. */
const columnBytes =
  requestBounds.source + 2 * maxDeviceIdBytes + udidBytes + 2 * maxValuesPerRequest + 64;

/**
 * What keeps a full chunk of the profile's largest certificates out of a record, whatever its requests
 * hold: found here, it would else be a dead letter in the factory.
 */
export async function chunkBoundFindings(
  profile: Profile,
  issuer: SampleIssuer,
  nowMs: number,
): Promise<readonly LintFinding[]> {
  const refused = (detail: string): readonly LintFinding[] => [
    { rule: 'chunk-values', clause: 'values of a chunk', detail },
  ];
  const slots = slotBytes(profile);
  if (slots.length > maxValuesPerRequest) {
    return refused(
      `a request may have ${String(slots.length)} values, ${chunk} has room for ` +
        `${String(maxValuesPerRequest)} each; leave fields out`,
    );
  }
  const bytes = sumOf(slots);
  if (bytes > requestBounds.values) {
    return refused(
      `the values of a request may have ${String(bytes)} octets, ${chunk} has room for ` +
        `${String(requestBounds.values)} each; lower maxLength or leave fields out`,
    );
  }
  // Only now, for these take long where there are many.
  const { values, certificate } = await largestOf(profile, issuer, nowMs);
  const { certificate: maxCertificate, certificateAndValues } = requestBounds;
  const room = Math.min(maxCertificate, certificateAndValues - values);
  if (certificate <= room) return [];
  const detail =
    `a certificate may have ${String(certificate)} octets, ${chunk} has room for ${String(room)} ` +
    'each; set maxCertificateBytes, lower maxLength or shorten fixed extensions';
  return [{ rule: 'chunk-certificates', clause: 'certificates of a chunk', detail }];
}

/**
 * How many requests of an admitted profile fit a chunk's record, whatever they hold: from
 * `leastRequestsPerChunk` to `maxRequestsPerChunk`.
 */
export async function requestsPerChunk(
  profile: Profile,
  issuer: SampleIssuer,
  nowMs: number,
): Promise<number> {
  const { values, certificate } = await largestOf(profile, issuer, nowMs);
  const fitting = Math.min(
    maxRequestsPerChunk,
    maxCertificatesBytes / certificate,
    maxValuesBytes / Math.max(1, values),
    (maxRecordBytes - maxChunkBytes - recordHeadBytes) / (certificate + values + columnBytes),
  );
  return Math.max(leastRequestsPerChunk, Math.floor(fitting));
}

/** The most octets that a request's values may have, together, and its certificate. */
async function largestOf(
  profile: Profile,
  issuer: SampleIssuer,
  nowMs: number,
): Promise<{ readonly values: number; readonly certificate: number }> {
  const slots = slotBytes(profile);
  const possible = await largestCertificateBytes(profile, issuer, slots, nowMs);
  return {
    values: sumOf(slots),
    certificate: Math.min(possible, profile.maxCertificateBytes ?? Infinity),
  };
}

function sumOf(bytes: readonly number[]): number {
  return bytes.reduce((sum, each) => sum + each, 0);
}

/** The most octets of each variable value, in the order of `profileSlots`. */
function slotBytes(profile: Profile): readonly number[] {
  const encodings = [
    ...profile.subject.map(({ value, encoding }) => ({ value, isUtf8: encoding === 'utf8' })),
    // Host names, URIs and mailboxes are IA5String (RFC 5280 4.2.1.6); a serial number is octets.
    ...(profile.extensions.subjectAltName?.names ?? []).map((name) => ({
      value: name.value,
      isUtf8: name.type === 'hardwareModuleName' && !name.hex,
    })),
  ].filter(({ value }) => 'from' in value);
  return profileSlots(profile).map(({ value }, i) => {
    const characters = value.maxLength ?? requestBounds.values;
    return encodings[i]?.isUtf8 === true ? characters * maxBytesPerCharacter : characters;
  });
}
