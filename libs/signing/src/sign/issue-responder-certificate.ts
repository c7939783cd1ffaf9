import { randomBytes } from 'node:crypto';
import {
  contextConstructed,
  contextPrimitive,
  DerReader,
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
  nameOutside,
  oids,
  readName,
  signatureAlgorithmDer,
  tags,
} from '@certmill/der';
import { CertmillError } from '@certmill/domain';
import { publicKeyOf } from '../slots/signature-scheme.js';
import { assertNamesWithin } from './issuance-rules.js';
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
 * key and the times is fixed here. Faults: FAULT_LINT_FAILED for another key, a life that is too long or
 * not inside the issuer's, or name constraints that leave no name.
 */
export function issueResponderCertificate(
  { session }: KeyTaskContext,
  responder: ResponderToCertify,
): KeyTaskOutput<'certifyResponder'> {
  assertCertifiable(session, responder);
  const algorithm = signatureAlgorithmDer(session.scheme.algorithm);
  const tbs = tbsOf(session, responder, subjectOf(session), algorithm);
  assertNamesWithin(session.issuer.limits.nameConstraints ?? [], tbs, 0, tbs.length);
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

/**
 * A commonName alone where that keeps the name constraints above (RFC 5280 4.2.1.10), else behind the
 * issuer's own name or one that is permitted; the commonName alone where none keeps them.
 */
function subjectOf({ issuer, issuerName }: SlotSession): Uint8Array {
  const commonName = encodeSetOf(
    encodeSequence(
      encodeOid(oids.id_at_commonName),
      encodeTlv(tags.utf8String, Buffer.from(`OCSP ${issuerName}`.slice(0, maxCommonName))),
    ),
  );
  const constraints = issuer.limits.nameConstraints ?? [];
  const permitted = constraints.flatMap((each) =>
    each.permitted.flatMap((subtree) =>
      subtree.kind === 'directoryName' ? [subtree.nameDer] : [],
    ),
  );
  const alone = encodeSequence(commonName);
  const below = [issuer.subjectDer, ...permitted].map((nameDer) =>
    encodeSequence(elementContent(nameDer), commonName),
  );
  const isWithin = (nameDer: Uint8Array): boolean => {
    const subject = readName(nameDer, 0, nameDer.length);
    const names = { alternativeNames: [], bytes: nameDer };
    return (
      subject.ok &&
      constraints.every(
        (each) => nameOutside(each, { ...names, subject: subject.value }) === undefined,
      )
    );
  };
  return [alone, ...below].find(isWithin) ?? alone;
}

function elementContent(der: Uint8Array): Uint8Array {
  const reader = new DerReader();
  reader.reset(der, 0, der.length);
  const end = reader.open(tags.sequence, der.length);
  return der.subarray(reader.position, end);
}

function tbsOf(
  { issuer }: SlotSession,
  { subjectPKInfoDer, notBeforeSeconds, notAfterSeconds }: ResponderToCertify,
  subjectDer: Uint8Array,
  algorithm: Uint8Array,
): Uint8Array {
  return encodeSequence(
    encodeTlv(contextConstructed(0), encodeInteger(2)),
    encodeInteger(newSerialNumber()),
    algorithm,
    issuer.subjectDer,
    encodeSequence(encodeTime(notBeforeSeconds), encodeTime(notAfterSeconds)),
    subjectDer,
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
