const untrusted = 'its certificate is not of a CA that is trusted here';
const unwanted = 'it does not take the certificate that it was shown, or was shown none';

/** Codes of Node and OpenSSL. What is not here may end by itself: a connection that broke, a time-out. */
const reasons: ReadonlyMap<unknown, string> = new Map<unknown, string>([
  ['CERT_HAS_EXPIRED', 'its certificate has expired'],
  ['CERT_NOT_YET_VALID', 'its certificate is not valid yet'],
  ['CERT_REVOKED', 'its certificate is revoked'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'its certificate is for another name'],
  ['INVALID_PURPOSE', 'its certificate is for another purpose'],
  ['CERT_SIGNATURE_FAILURE', untrusted],
  ['CERT_UNTRUSTED', untrusted],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', untrusted],
  ['INVALID_CA', untrusted],
  ['SELF_SIGNED_CERT_IN_CHAIN', untrusted],
  ['UNABLE_TO_GET_ISSUER_CERT', untrusted],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', untrusted],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', untrusted],
  ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', unwanted],
  ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', unwanted],
  ...['BAD_CERTIFICATE', 'CERTIFICATE_EXPIRED', 'CERTIFICATE_UNKNOWN', 'HANDSHAKE_FAILURE'].flatMap(
    // As OpenSSL calls them since 3.2, and before.
    (alert) =>
      ['SSL/TLS', 'SSLV3'].map((name) => [`ERR_SSL_${name}_ALERT_${alert}`, unwanted] as const),
  ),
]);

/** Causes of causes are looked at so deep: libraries wrap what they have given up on. */
const maxDepth = 8;

/**
 * Why a peer and this process did not accept each other's certificates, in words about the peer;
 * undefined where that is not what happened.
 */
export function tlsRefusalOf(error: unknown): string | undefined {
  let link = error;
  for (let depth = 0; depth < maxDepth; depth++) {
    if (typeof link !== 'object' || link === null) return undefined;
    const reason = 'code' in link ? reasons.get(link.code) : undefined;
    if (reason !== undefined) return reason;
    link = 'cause' in link ? link.cause : undefined;
  }
  return undefined;
}
