import { CertmillError, type Profile, rejectionCodeOf } from '@certmill/domain';
import {
  CERTIFICATE_HEAD_ROOM,
  createCertificationRequestWalk,
  finishCertificate,
  walkCertificationRequest,
} from '@certmill/der';
import type { ReceivedChunk } from '@certmill/events';
import { applyAllowList } from '@certmill/pipeline';
import { compileAuthorityProfile, examineChunk } from '@certmill/pipeline/compute';
import { lintSample } from '../admission/admit-profile.js';
import { verifiedSignature } from './ca-key.js';
import { newCaSerialNumber } from './issue-ca-certificate.js';
import type { Issuer } from './load-issuers.js';
import type { SigningAuthority } from './open-authority.js';

/** Who speaks for an issuer, and what it is certified with. */
export interface DelegateOptions {
  /** `ocsp-responder`, `crl-signer`, or one like them. */
  readonly profile: Profile;
  /** The issuer, open. */
  readonly authority: SigningAuthority;
  /** PKCS#10, DER: the delegate keeps its key. */
  readonly requestDer: Uint8Array;
  readonly nowMs: number;
}

const maxCertificateBytes = 16 * 1024;
const maxSignatureBytes = 5 * 1024;

/**
 * Certifies who answers or signs in the place of an issuer, with the issuer's key at hand: no order and no
 * server does. The request is examined as that of a device is: proof of possession, key, names.
 * @returns the Certificate, DER; the caller's.
 * Throws INVALID_INPUT where the profile is none of an authority or the request breaks it,
 * PROFILE_INVALID where the certificate would break a rule, FAULT_KEY_MISMATCH where the key is not the
 * issuer's.
 */
export async function issueDelegate(options: DelegateOptions): Promise<Uint8Array> {
  const { profile, authority, requestDer, nowMs } = options;
  const { ca: issuer, signer } = authority;
  if (profile.conformsTo !== 'ocsp-responder' && profile.conformsTo !== 'crl-signer') {
    throw new CertmillError(
      'INVALID_INPUT',
      `profile ${profile.name} is for orders; a delegate is an ocsp-responder or a crl-signer`,
    );
  }
  const values = valuesOf(profile, issuer, requestDer, nowMs);
  const compiled = compileAuthorityProfile(profile, issuer);
  const out = new Uint8Array(maxCertificateBytes);
  const tbsEnd = out.length - maxSignatureBytes;
  const input = {
    serialNumber: newCaSerialNumber(),
    receivedAtMs: nowMs,
    spki: publicKeyIn(requestDer),
    values,
  };
  const tbsStart = compiled.writeTbs(input, out, tbsEnd, CERTIFICATE_HEAD_ROOM);
  const tbs = out.subarray(tbsStart, tbsEnd);
  const signature = await verifiedSignature(signer, tbs, issuer.spkiDer);
  const { signatureAlgorithmDer } = compiled;
  const { start, end } = finishCertificate(out, tbsStart, tbsEnd, signatureAlgorithmDer, signature);
  const der = out.slice(start, end);
  const [finding] = lintSample(profile, issuer, { der });
  if (finding === undefined) return der;
  throw new CertmillError('PROFILE_INVALID', `${finding.clause}: ${finding.detail}`);
}

/** What the profile takes from the request; INVALID_INPUT with the reason that a device would be told. */
function valuesOf(
  profile: Profile,
  issuer: Issuer,
  requestDer: Uint8Array,
  nowMs: number,
): readonly Uint8Array[] {
  const examination = examineChunk(aChunkOf(requestDer, issuer, nowMs), profile);
  const { codes, details, values } = applyAllowList(profile, examination, undefined);
  const [code = 0] = codes;
  if (code === 0) return values;
  throw new CertmillError(
    'INVALID_INPUT',
    `the request is refused: ${rejectionCodeOf(code) ?? ''}: ${details[0] ?? ''}`,
  );
}

/** One request in the form that the examination of devices takes; nothing of it is stored. */
function aChunkOf(requestDer: Uint8Array, issuer: Issuer, nowMs: number): ReceivedChunk {
  return {
    requestsDer: requestDer,
    requestLengths: [requestDer.length],
    deviceIds: [''],
    sources: [''],
    rejections: [0],
    rejectionDetails: [''],
    tenant: '',
    orderId: '',
    batchId: '',
    chunkNumber: 0,
    firstIndex: 0,
    lane: 'interactive',
    receivedAtMs: nowMs,
    signBeforeMs: nowMs,
    profileHash: '',
    issuer: issuer.name,
    serialKeyId: 0,
  };
}

/** Of a request that the examination has passed. */
function publicKeyIn(requestDer: Uint8Array): Uint8Array {
  const walk = createCertificationRequestWalk();
  walkCertificationRequest(requestDer, 0, requestDer.length, walk);
  return requestDer.subarray(walk.subjectPKInfoStart, walk.subjectPKInfoEnd);
}
