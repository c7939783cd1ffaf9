import { DerTemplate } from '../template/der-template.js';
import { encodeInteger, encodeTlv } from '../encoding/der-encode.js';
import { contextConstructed } from '../encoding/tags.js';
import {
  constructed,
  fixed,
  integer,
  rawSlot,
  sequence,
  time,
  type TemplateNode,
} from '../template/template-node.js';

/** Names of the slots that every TBSCertificate template has, all mandatory. */
export const tbsSlots = {
  /** Bytes: a positive big-endian number, at most 20 octets of INTEGER (RFC 5280 4.1.2.2). */
  serialNumber: 'serialNumber',
  /** Epoch seconds. */
  notBefore: 'notBefore',
  /** Epoch seconds. */
  notAfter: 'notAfter',
  /** Bytes: the complete SubjectPublicKeyInfo element. */
  spki: 'spki',
} as const;

const MAX_SERIAL_NUMBER_OCTETS = 20;

export interface TbsCertificateOptions {
  /** The AlgorithmIdentifier element: `signatureAlgorithmDer`. */
  readonly signatureAlgorithm: Uint8Array;
  /** The issuer's subject Name element, byte for byte (RFC 5280 4.1.2.4, 7.1). */
  readonly issuerNameDer: Uint8Array;
  /** A Name: `rdnSequence`, or `rawSlot` for one that is copied. */
  readonly subject: TemplateNode;
  /** Extension elements in the order they are to appear. */
  readonly extensions: readonly TemplateNode[];
}

/**
 * `TBSCertificate ::= SEQUENCE { version [0] v3, serialNumber, signature, issuer, validity, subject,
 * subjectPublicKeyInfo, extensions [3] }` (RFC 5280 4.1). Extensions are left out when there are
 * none at all; at least one that is not optional is expected otherwise.
 */
export function tbsCertificateTemplate(options: TbsCertificateOptions): DerTemplate {
  const version = encodeTlv(contextConstructed(0), encodeInteger(2));
  const extensions =
    options.extensions.length === 0
      ? []
      : [constructed(contextConstructed(3), sequence(...options.extensions))];
  return new DerTemplate(
    sequence(
      fixed(version),
      integer(tbsSlots.serialNumber, MAX_SERIAL_NUMBER_OCTETS),
      fixed(options.signatureAlgorithm),
      fixed(options.issuerNameDer),
      sequence(time(tbsSlots.notBefore), time(tbsSlots.notAfter)),
      options.subject,
      rawSlot(tbsSlots.spki),
      ...extensions,
    ),
  );
}
