import { randomBytes } from 'node:crypto';
import {
  contextConstructed,
  contextPrimitive,
  encodeBitString,
  encodeBoolean,
  encodeInteger,
  encodeNamedBits,
  encodeNull,
  encodeOctetString,
  encodeOid,
  encodeSequence,
  encodeSetOf,
  encodeTime,
  encodeTlv,
  keyIdentifier,
  keyUsageNames,
  oids,
  signatureAlgorithmDer,
  tags,
} from '@certmill/der';
import { CertmillError } from '@certmill/domain';
import { publicKeyOf } from '../slots/signature-scheme.js';
import type { KeyTaskContext, KeyTaskOutput } from './run-key-task.js';
import type { ResponderToCertify } from './sign-messages.js';
import type { SlotSession } from './slot-session.js';

/** Nobody asks whether such a certificate is revoked (id-pkix-ocsp-nocheck), so its life is short. */
const maxLifeSeconds = 100 * 24 * 3_600;
/** Other than those of devices, which have 20: what they lead back to is no request. */
const serialOctets = 16;
/** RFC 5280 A.1, ub-common-name. */
const maxCommonName = 64;

/**
 * Issues the certificate of a delegated responder (RFC 6960 4.2.2.2) for a P-256 key. All of it but the
 * key and the times is fixed here. Faults: FAULT_LINT_FAILED for another key, or a life that is too long
 * or not inside the issuer's.
 */
export function issueResponderCertificate(
  { session }: KeyTaskContext,
  responder: ResponderToCertify,
): KeyTaskOutput<'certifyResponder'> {
  assertCertifiable(session, responder);
  const algorithm = signatureAlgorithmDer(session.scheme.algorithm);
  const tbs = tbsOf(session, responder, algorithm);
  const signature = session.sign(tbs, { batchId: '', index: 0 });
  session.verify(tbs, signature);
  const certificateDer = Uint8Array.from(
    encodeSequence(tbs, algorithm, encodeBitString(signature)),
  );
  return { result: { certificateDer }, buffers: [certificateDer.buffer] };
}

function assertCertifiable(
  { issuer, issuerName }: SlotSession,
  { subjectPKInfoDer, notBeforeSeconds, notAfterSeconds }: ResponderToCertify,
): void {
  const key = publicKeyOf(subjectPKInfoDer);
  const reason =
    key.asymmetricKeyDetails?.namedCurve !== 'prime256v1'
      ? 'must have a P-256 key'
      : !(
            notBeforeSeconds < notAfterSeconds &&
            notAfterSeconds - notBeforeSeconds <= maxLifeSeconds
          )
        ? 'may live for 100 days at most'
        : notBeforeSeconds < issuer.notBeforeSeconds || notAfterSeconds > issuer.notAfterSeconds
          ? "may not live outside its issuer's life (RFC 5280 4.1.2.5)"
          : undefined;
  if (reason === undefined) return;
  throw new CertmillError('FAULT_LINT_FAILED', `an OCSP responder of ${issuerName} ${reason}`);
}

function tbsOf(
  { issuer, issuerName }: SlotSession,
  { subjectPKInfoDer, notBeforeSeconds, notAfterSeconds }: ResponderToCertify,
  algorithm: Uint8Array,
): Uint8Array {
  const commonName = encodeSequence(
    encodeOid(oids.id_at_commonName),
    encodeTlv(tags.utf8String, Buffer.from(`OCSP ${issuerName}`.slice(0, maxCommonName))),
  );
  return encodeSequence(
    encodeTlv(contextConstructed(0), encodeInteger(2)),
    encodeInteger(newSerialNumber()),
    algorithm,
    issuer.subjectDer,
    encodeSequence(encodeTime(notBeforeSeconds), encodeTime(notAfterSeconds)),
    encodeSequence(encodeSetOf(commonName)),
    subjectPKInfoDer,
    encodeTlv(contextConstructed(3), extensionsOf(issuer.keyIdentifier, subjectPKInfoDer)),
  );
}

function extensionsOf(issuerKeyIdentifier: Uint8Array, subjectPKInfoDer: Uint8Array): Uint8Array {
  const extension = (oid: string, value: Uint8Array, critical = false): Uint8Array =>
    encodeSequence(
      encodeOid(oid),
      ...(critical ? [encodeBoolean(true)] : []),
      encodeOctetString(value),
    );
  const authority = encodeSequence(encodeTlv(contextPrimitive(0), issuerKeyIdentifier));
  const subject = encodeOctetString(
    keyIdentifier('sha1', subjectPKInfoDer, 0, subjectPKInfoDer.length),
  );
  const usage = encodeNamedBits([keyUsageNames.indexOf('digitalSignature')]);
  const purposes = encodeSequence(encodeOid(oids.id_kp_OCSPSigning));
  return encodeSequence(
    extension(oids.id_ce_authorityKeyIdentifier, authority),
    extension(oids.id_ce_subjectKeyIdentifier, subject),
    extension(oids.id_ce_keyUsage, usage, true),
    extension(oids.id_ce_extKeyUsage, purposes),
    extension(oids.id_pkix_ocsp_nocheck, encodeNull()),
  );
}

/** Positive, and never zero in its first octet, so that it is of one length. */
function newSerialNumber(): Uint8Array {
  const serial = randomBytes(serialOctets);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return serial;
}
