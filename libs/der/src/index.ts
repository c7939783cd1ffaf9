export {
  type IssuerSignatureAlgorithm,
  type MlDsaAlgorithm,
  type SignatureAlgorithm,
  type SignatureAlgorithmWalk,
  signatureAlgorithmDer,
} from './algorithms.js';
export {
  attributeTypeAndValue,
  authorityInfoAccess,
  authorityKeyIdentifier,
  basicConstraints,
  certificatePolicies,
  type Content,
  crlDistributionPoints,
  directoryName,
  dNSName,
  extension,
  extKeyUsage,
  generalNames,
  hardwareModuleName,
  iPAddress,
  keyUsage,
  type KeyUsageName,
  keyUsageNames,
  type NameStringType,
  otherName,
  rdnSequence,
  relativeDistinguishedName,
  rfc822Name,
  subjectKeyIdentifier,
  uniformResourceIdentifier,
} from './certificate-nodes.js';
export { type CertsOnlyEnvelope, certsOnlyEnvelope } from './certs-only.js';
export type { CrlExtensions, IssuingDistributionPoint } from './crl-extensions.js';
export {
  compareDer,
  concatBytes,
  encodeAlgorithmIdentifier,
  encodeBitString,
  encodeBoolean,
  encodeInteger,
  encodeLength,
  encodeNamedBits,
  encodeNull,
  encodeOctetString,
  encodeOid,
  encodeOidContent,
  encodeSequence,
  encodeSetOf,
  encodeTime,
  encodeTlv,
  lengthOctets,
} from './der-encode.js';
export {
  encodeEncryptedPrivateKeyInfo,
  PBES2_IV_OCTETS,
  PBES2_KEY_OCTETS,
  type Pbes2Parts,
  readEncryptedPrivateKeyInfo,
} from './encrypted-private-key-info.js';
export {
  CertmillDerError,
  type CertmillDerErrorCode,
  type DerError,
  type DerErrorCode,
  derErrorText,
  type DerResult,
} from './der-error.js';
export { decodeInteger, decodeOid, DerReader, MAX_DEPTH, MAX_INPUT_BYTES } from './der-reader.js';
export { hasControlCharacters, isPrintable } from './der-string.js';
export { compileTemplate, DerTemplate } from './der-template.js';
export { NO_EXPIRATION_SECONDS, readTimeContent } from './der-time.js';
export {
  encodeCertificateList,
  type TbsCertListFields,
  writeTbsCertList,
  type WrittenTbsCertList,
} from './encode-certificate-list.js';
export {
  type CertificationRequestFields,
  encodeCertificationRequest,
  encodeCommonName,
} from './encode-certification-request.js';
export { CERTIFICATE_HEAD_ROOM, finishCertificate, signatureRoom } from './finish-certificate.js';
export { KEY_IDENTIFIER_OCTETS, keyIdentifier, subjectPublicKeyHash } from './key-identifier.js';
export {
  type ConstrainedName,
  type ConstrainedNames,
  isSameNameText,
  isWithin,
  nameOutside,
  readTbsNames,
} from './constrained-names.js';
export {
  type EncodedAttribute,
  encodedAttributes,
  isMatterId,
  matterIdsInName,
  matterIdsOf,
  type MatterIds,
} from './matter-ids.js';
export {
  type GeneralSubtree,
  type NameConstraints,
  nameConstraints,
  readNameConstraints,
  type WritableSubtree,
} from './name-constraints.js';
export {
  type BasicOcspResponse,
  type CertStatus,
  encodeBasicOcspResponse,
  encodeCertId,
  encodeErrorResponse,
  encodeResponseData,
  encodePresignedResponse,
  encodeSuccessfulResponse,
  type OcspErrorStatus,
  ocspErrorStatuses,
  type ResponseData,
  type SingleResponse,
} from './encode-ocsp-response.js';
export { oids } from './oids.js';
export { pemEncode, pemLength, writePem } from './pem-encode.js';
export {
  type BasicConstraints,
  type DecodedExtension,
  readBasicConstraints,
  readCertificatePolicies,
  readExtensions,
  readExtKeyUsage,
  readKeyUsage,
} from './read-extensions.js';
export { type GeneralName, readGeneralNames } from './read-general-names.js';
export { type DecodedName, type NameAttribute, readName } from './read-name.js';
export { RevokedEntries, type RevokedEntry } from './revoked-entries.js';
export { SlotValues } from './slot-values.js';
export { type DerShape, sniffDer } from './sniff-der.js';
export { contextConstructed, contextPrimitive, tags } from './tags.js';
export {
  type TbsCertificateOptions,
  tbsCertificateTemplate,
  tbsSlots,
} from './tbs-certificate-template.js';
export {
  bitStringOf,
  constructed,
  fixed,
  integer,
  octetStringOf,
  optional,
  rawSlot,
  sequence,
  setOf,
  type SkiMethod,
  skiOf,
  slot,
  type TemplateNode,
  time,
} from './template-node.js';
export {
  type CertificateWalk,
  createCertificateWalk,
  walkCertificate,
} from './walk-certificate.js';
export {
  type CertificationRequestWalk,
  createCertificationRequestWalk,
  walkCertificationRequest,
} from './walk-certification-request.js';
export {
  type CertIdHash,
  type CertIdRange,
  MAX_NONCE_OCTETS,
  MAX_OCSP_REQUESTS,
  type OcspRequest,
  readOcspRequest,
} from './read-ocsp-request.js';
export { type KeyAlgorithm, type PublicKeyWalk } from './walk-public-key.js';
export {
  type CertificateListWalk,
  type CrlEntryWalk,
  walkCertificateList,
  walkCrlEntries,
} from './walk-certificate-list.js';
