export {
  type IssuerSignatureAlgorithm,
  type MlDsaAlgorithm,
  type SignatureAlgorithm,
  type SignatureAlgorithmWalk,
  signatureAlgorithmDer,
} from './keys/algorithms.js';
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
} from './certificates/certificate-nodes.js';
export { type CertsOnlyEnvelope, certsOnlyEnvelope } from './certificates/certs-only.js';
export type { CrlExtensions, IssuingDistributionPoint } from './crls/crl-extensions.js';
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
} from './encoding/der-encode.js';
export {
  encodeEncryptedPrivateKeyInfo,
  PBES2_IV_OCTETS,
  PBES2_KEY_OCTETS,
  type Pbes2Parts,
  readEncryptedPrivateKeyInfo,
} from './keys/encrypted-private-key-info.js';
export {
  CertmillDerError,
  type CertmillDerErrorCode,
  type DerError,
  type DerErrorCode,
  derErrorText,
  type DerResult,
} from './encoding/der-error.js';
export {
  decodeInteger,
  decodeOid,
  DerReader,
  MAX_DEPTH,
  MAX_INPUT_BYTES,
} from './encoding/der-reader.js';
export { hasControlCharacters, isPrintable } from './encoding/der-string.js';
export { compileTemplate, DerTemplate } from './template/der-template.js';
export { NO_EXPIRATION_SECONDS, readTimeContent } from './encoding/der-time.js';
export {
  encodeCertificateList,
  type TbsCertListFields,
  writeTbsCertList,
  type WrittenTbsCertList,
} from './crls/encode-certificate-list.js';
export {
  type CertificationRequestFields,
  encodeCertificationRequest,
  encodeCommonName,
} from './requests/encode-certification-request.js';
export {
  CERTIFICATE_HEAD_ROOM,
  finishCertificate,
  signatureRoom,
} from './certificates/finish-certificate.js';
export {
  KEY_IDENTIFIER_OCTETS,
  keyIdentifier,
  subjectPublicKeyHash,
} from './template/key-identifier.js';
export {
  type ConstrainedName,
  type ConstrainedNames,
  isSameNameText,
  isWiderSubtree,
  isWithin,
  nameOutside,
  preparedNameText,
  readTbsNames,
} from './names/constrained-names.js';
export {
  type EncodedAttribute,
  encodedAttributes,
  isMatterId,
  matterIdsInName,
  matterIdsOf,
  type MatterIds,
} from './names/matter-ids.js';
export {
  type GeneralSubtree,
  type NameConstraints,
  nameConstraints,
  readNameConstraints,
  type WritableSubtree,
} from './names/name-constraints.js';
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
} from './ocsp/encode-ocsp-response.js';
export { oids } from './encoding/oids.js';
export { pemEncode, pemLength, writePem } from './encoding/pem-encode.js';
export {
  type BasicConstraints,
  type DecodedExtension,
  readBasicConstraints,
  readCertificatePolicies,
  readExtensions,
  readExtKeyUsage,
  readKeyUsage,
} from './certificates/read-extensions.js';
export { type GeneralName, readGeneralNames } from './names/read-general-names.js';
export { type DecodedName, type NameAttribute, readName } from './names/read-name.js';
export { RevokedEntries, type RevokedEntry } from './crls/revoked-entries.js';
export { SlotValues } from './template/slot-values.js';
export { type DerShape, sniffDer } from './encoding/sniff-der.js';
export { contextConstructed, contextPrimitive, tags } from './encoding/tags.js';
export {
  type TbsCertificateOptions,
  tbsCertificateTemplate,
  tbsSlots,
} from './certificates/tbs-certificate-template.js';
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
} from './template/template-node.js';
export {
  type CertificateWalk,
  createCertificateWalk,
  walkCertificate,
} from './certificates/walk-certificate.js';
export {
  type CertificationRequestWalk,
  createCertificationRequestWalk,
  walkCertificationRequest,
} from './requests/walk-certification-request.js';
export {
  type CertIdHash,
  type CertIdRange,
  MAX_NONCE_OCTETS,
  MAX_OCSP_REQUESTS,
  type OcspRequest,
  readOcspRequest,
} from './ocsp/read-ocsp-request.js';
export {
  emptyPublicKeyWalk,
  type KeyAlgorithm,
  type PublicKeyWalk,
  walkPublicKey,
} from './keys/walk-public-key.js';
export {
  type CertificateListWalk,
  type CrlEntryWalk,
  walkCertificateList,
  walkCrlEntries,
} from './crls/walk-certificate-list.js';
