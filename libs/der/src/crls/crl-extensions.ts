import {
  encodeBoolean,
  encodeInteger,
  encodeOctetString,
  encodeOid,
  encodeSequence,
  encodeTlv,
} from '../encoding/der-encode.js';
import { CertmillDerError } from '../encoding/der-error.js';
import { oids } from '../encoding/oids.js';
import { contextConstructed, contextPrimitive } from '../encoding/tags.js';

/** What a CRL is about (RFC 5280 5.2.5); absent: every certificate of its issuer. */
export interface IssuingDistributionPoint {
  /**
   * The URI of the distribution point, as in the certificates' cRLDistributionPoints. Absent: all of the
   * issuer's certificates that `onlyContains` says.
   */
  readonly fullName?: string;
  readonly onlyContains?: 'userCerts' | 'cACerts';
}

/** crlExtensions of a v2 CRL (RFC 5280 5.2). */
export interface CrlExtensions {
  /** Of the key that signs. */
  readonly authorityKeyIdentifier: Uint8Array;
  /** At most 20 octets (RFC 5280 5.2.3). */
  readonly crlNumber: bigint;
  /** BaseCRLNumber of a delta CRL (RFC 5280 5.2.4). */
  readonly baseCrlNumber?: bigint;
  readonly issuingDistributionPoint?: IssuingDistributionPoint;
  /** Where a full CRL's deltas are (RFC 5280 5.2.6); a delta CRL MUST NOT have it. */
  readonly freshestCrl?: string;
}

const maxCrlNumber = 1n << 159n;

function extension(oid: string, isCritical: boolean, value: Uint8Array): Uint8Array {
  const critical = isCritical ? [encodeBoolean(true)] : [];
  return encodeSequence(encodeOid(oid), ...critical, encodeOctetString(value));
}

/** `fullName [0] GeneralNames` of one URI, in `distributionPoint [0]`, which is explicit: a CHOICE. */
function distributionPointName(uri: string): Uint8Array {
  if (!/^[\x21-\x7e]+$/.test(uri)) {
    throw new CertmillDerError('argument-invalid', 'a URI is of visible ASCII characters');
  }
  const name = encodeTlv(contextPrimitive(6), Buffer.from(uri, 'latin1'));
  return encodeTlv(contextConstructed(0), encodeTlv(contextConstructed(0), name));
}

/**
 * `IssuingDistributionPoint ::= SEQUENCE { distributionPoint [0], onlyContainsUserCerts [1] BOOLEAN
 * DEFAULT FALSE, onlyContainsCACerts [2] BOOLEAN DEFAULT FALSE, ... }`
 */
function issuingDistributionPoint(point: IssuingDistributionPoint): Uint8Array {
  const { fullName, onlyContains } = point;
  const name = fullName === undefined ? [] : [distributionPointName(fullName)];
  const only =
    onlyContains === undefined
      ? []
      : [encodeTlv(contextPrimitive(onlyContains === 'userCerts' ? 1 : 2), Uint8Array.of(0xff))];
  return encodeSequence(...name, ...only);
}

function crlNumberDer(number: bigint): Uint8Array {
  if (number < 0n || number >= maxCrlNumber) {
    throw new CertmillDerError('argument-invalid', 'a CRL number has at most 20 octets');
  }
  return encodeInteger(number);
}

/** The elements of crlExtensions, in the order in which RFC 5280 5.2 has them. */
export function crlExtensionsDer(extensions: CrlExtensions): readonly Uint8Array[] {
  const { baseCrlNumber, freshestCrl, issuingDistributionPoint: point } = extensions;
  if (baseCrlNumber !== undefined && freshestCrl !== undefined) {
    throw new CertmillDerError('argument-invalid', 'a delta CRL has no freshestCRL');
  }
  const keyIdentifier = encodeSequence(
    encodeTlv(contextPrimitive(0), extensions.authorityKeyIdentifier),
  );
  const der = [
    extension(oids.id_ce_authorityKeyIdentifier, false, keyIdentifier),
    extension(oids.id_ce_cRLNumber, false, crlNumberDer(extensions.crlNumber)),
  ];
  if (baseCrlNumber !== undefined) {
    der.push(extension(oids.id_ce_deltaCRLIndicator, true, crlNumberDer(baseCrlNumber)));
  }
  if (point !== undefined) {
    const value = issuingDistributionPoint(point);
    der.push(extension(oids.id_ce_issuingDistributionPoint, true, value));
  }
  if (freshestCrl !== undefined) {
    const value = encodeSequence(encodeSequence(distributionPointName(freshestCrl)));
    der.push(extension(oids.id_ce_freshestCRL, false, value));
  }
  return der;
}
