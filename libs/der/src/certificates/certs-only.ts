import {
  concatBytes,
  encodeInteger,
  encodeLength,
  encodeOid,
  encodeSequence,
  encodeSetOf,
  lengthOctets,
} from '../encoding/der-encode.js';
import { oids } from '../encoding/oids.js';
import { contextConstructed, tags } from '../encoding/tags.js';

/** What goes before and after the concatenated certificates. */
export interface CertsOnlyEnvelope {
  readonly header: Uint8Array;
  readonly trailer: Uint8Array;
}

/**
 * A certs-only SignedData (RFC 5652 5.1, RFC 8551 3.2.2), without content and signers, around
 * certificates of `certificatesBytes` in all, which are written between header and trailer: a
 * file of any size can be streamed. `certificates` is a SET OF; only signed attributes need its
 * DER order (RFC 5652 5.4), so the certificates keep the order of the batch.
 */
export function certsOnlyEnvelope(certificatesBytes: number): CertsOnlyEnvelope {
  const trailer = encodeSetOf(); // signerInfos
  const signedDataStart = concatBytes([
    encodeInteger(1), // CMSVersion: id-data, no attribute certificates (RFC 5652 5.1)
    encodeSetOf(), // digestAlgorithms
    encodeSequence(encodeOid(oids.id_data)), // encapContentInfo without eContent
  ]);
  const contentType = encodeOid(oids.id_signedData);

  // From the inside out: header of [0] certificates, SignedData, [0] content, ContentInfo.
  const withHeader = (length: number): number => 1 + lengthOctets(length) + length;
  const signedData = signedDataStart.length + withHeader(certificatesBytes) + trailer.length;
  const content = withHeader(signedData);
  const contentInfo = contentType.length + withHeader(content);
  return {
    header: concatBytes([
      Uint8Array.of(tags.sequence),
      encodeLength(contentInfo),
      contentType,
      Uint8Array.of(contextConstructed(0)),
      encodeLength(content),
      Uint8Array.of(tags.sequence),
      encodeLength(signedData),
      signedDataStart,
      Uint8Array.of(contextConstructed(0)),
      encodeLength(certificatesBytes),
    ]),
    trailer,
  };
}
