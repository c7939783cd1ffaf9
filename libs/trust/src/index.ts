export { isErrorCode, publicFileMode, writeFileAtomically } from './atomic-file.js';
export { auditFolderName, openAuditFolder } from './audit-folder.js';
export { createHierarchy, type HierarchyOptions } from './hierarchy/create-hierarchy.js';
export { certificatesInPem } from './hierarchy/ca-certificate.js';
export { assertStatusKept, keptStatusFileName } from './hierarchy/kept-status.js';
export {
  caSignerOf,
  generateCaKey,
  hashOf,
  type CaKeyPair,
  type CaSigner,
  type SoftwareCaSigner,
} from './hierarchy/ca-key.js';
export {
  caCommonName,
  distinguishedNameDer,
  parseDistinguishedName,
  type DistinguishedName,
} from './hierarchy/distinguished-name.js';
export {
  caTbsCertificate,
  issueCaCertificate,
  newCaSerialNumber,
  noExpirationMs,
  type CaCertificateSpec,
  type CaParent,
} from './hierarchy/issue-ca-certificate.js';
export {
  exportAuthorities,
  type ExportedAuthorities,
  type ExportOptions,
} from './hierarchy/export-authorities.js';
export { changedExtensions, type ChangedExtension } from './hierarchy/changed-extensions.js';
export { importIssuer, type ImportOptions } from './hierarchy/import-issuer.js';
export { createRoot, issueAuthority, type AuthorityWish } from './hierarchy/issue-authority.js';
export {
  caRequestsFolderName,
  completeAuthority,
  findKeySlot,
  requestAuthority,
  requestRekey,
  requestRenewal,
  signAuthorityRequest,
  type CaRequest,
  type CompletionOptions,
  type SignedRequest,
  type SignRequestOptions,
} from './hierarchy/request-authority.js';
export {
  crossCertify,
  type CrossCertificate,
  type CrossOptions,
} from './hierarchy/cross-certify.js';
export { rekeyRoot, type RekeyedRoot, type RootRekeyOptions } from './hierarchy/rekey-root.js';
export {
  rekeyAuthority,
  renewAuthority,
  type RekeyOptions,
  type RenewalOptions,
} from './hierarchy/renew-authority.js';
export {
  assertSameReason,
  revokeAuthority,
  type CaNotCovered,
  type CaRevocationOptions,
  type CaRevocationOutcome,
} from './hierarchy/revoke-authority.js';
export { certificatesOverKey, hasSigned } from './hierarchy/certificates-over-key.js';
export { closeIssuer, type CloseIssuerOptions } from './hierarchy/close-issuer.js';
export { publishedCas, type PublishedCas } from './hierarchy/published-cas.js';
export { importCaCrl, type CrlImport, type CrlImportOptions } from './hierarchy/import-ca-crl.js';
export {
  ImportedCrlFolder,
  importedCrlsFolderName,
  type ImportedCrl,
} from './hierarchy/imported-crls.js';
export { DelegateEnds, keepDelegate, type DelegatePlaces } from './responders/delegate-ends.js';
export { CaCrlEnds } from './hierarchy/ca-crl-ends.js';
export { caCrlFileName } from './hierarchy/ca-crl-time.js';
export { issueCaCrl, type CaCrl } from './hierarchy/issue-ca-crl.js';
export {
  caCrlValiditySeconds,
  dueCaCrls,
  lacksCaCrl,
  type DueCaCrl,
} from './hierarchy/due-ca-crls.js';
export { keySha256Of, lostKeyOf, ownRevocationOf } from './hierarchy/lost-keys.js';
export { isKeyLost, type RevokedCa } from './hierarchy/revoked-cas.js';
export {
  readRevokedBefore,
  revokedBefore,
  revokedBeforeText,
  type RevokedKey,
} from './hierarchy/revoked-before.js';
export {
  parseBoundOrder,
  type BoundOrder,
  type CaRole,
  type Retirement,
} from './hierarchy/ca-description.js';
export {
  authorityIn,
  openAuthority,
  openAuthorityKey,
  type AuthorityPlace,
  type OpenedAuthority,
} from './hierarchy/open-authority.js';
export {
  chainDefectOf,
  findAuthority,
  findIssuers,
  lifeLeftMs,
  isKeyAtHand,
  loadAuthorities,
  loadIssuer,
  loadIssuers,
  loadRoot,
  refusalOf,
  type Issuer,
} from './hierarchy/load-issuers.js';
export {
  boundToTenants,
  doesServe,
  type IssuerBindings,
  type ServingIssuer,
} from './hierarchy/serving-issuers.js';
export {
  alternativeFolderName,
  caDirectoryOf,
  developmentPassphraseFileOf,
  issuerPathsOf,
  rootName,
  type IssuerPaths,
} from './hierarchy/issuer-paths.js';
export { decryptPrivateKey, encryptPrivateKey } from './keys/encrypted-private-key.js';
export { issuerKeyTypeOf, signatureAlgorithmFor, type IssuerKeyType } from './keys/key-types.js';
export {
  findPassphrase,
  passphraseFileVariable,
  passphraseVariable,
  readPassphrase,
  type PassphraseOptions,
  type PassphraseSource,
} from './keys/passphrase.js';
export {
  addSerialKey,
  findSerialKeys,
  openSerialKeys,
  type SerialKeys,
} from './keys/serial-keys.js';
export { IssuerCatalogue, type CatalogueOptions } from './hierarchy/issuer-catalogue.js';
export {
  issuingPolicy,
  type IssuerSource,
  type IssuingPolicy,
  type OrderRef,
  whyNoneIssues,
} from './admission/issuing-policy.js';
export { admitProfile, lintSample } from './admission/admit-profile.js';
export { lintJitpTemplate } from './admission/jitp-template.js';
export { chainDoubtOf } from './hierarchy/chain-doubt.js';
export { assertFitsIssuer } from './admission/lint-against-issuer.js';
export {
  makeSamples,
  type SampleCertificate,
  type SampleIssuer,
} from './admission/sample-certificates.js';
export {
  verifyStore,
  type ChunksInLog,
  type VerifiedParts,
  type VerifiedPorts,
  type VerifiedStore,
} from './verify/verify-store.js';
export { lintCertificate, lintRules } from './lint/lint-certificate.js';
export {
  caOfProfile,
  caProfiles,
  lintCaCertificate,
  type CaProfile,
  type CaProfileInput,
  type CaProfileName,
  type ProfiledCa,
} from './hierarchy/ca-profiles.js';
export { issueDelegate, type DelegateOptions } from './hierarchy/issue-delegate.js';
export { lintMatterAttestation, type MatterProduct } from './lint/lint-matter-attestation.js';
export type { LintContext, LintFinding, LintRule, LintStandard } from './lint/lint-rule.js';
export { inspect, inspectDer, type InspectedItem } from './inspect/inspect.js';
export { chainLinks, type ChainLink } from './inspect/chain-links.js';
export type { Inspected, InspectedKind } from './inspect/inspected.js';
export { nameText, type View } from './inspect/view.js';
export {
  openVerifier,
  type Verification,
  type VerificationDemands,
  type VerificationSources,
  type VerifiedMember,
} from './path/verify-certificate.js';
export { crlPointsOf } from './path/crl-status.js';
export type { RecordedRevocation } from './path/recorded-revocations.js';
export type { PathProblem } from './path/check-path.js';
export type { Status, StatusFinding } from './path/status.js';
export {
  defaultResponderLifeMs,
  ResponderFolder,
  type ResponderFolderOptions,
  type StoredResponder,
} from './responders/responder-folder.js';
export type { CaModules, CaSlot } from './hierarchy/ca-slot.js';
export { constraintsOfTexts, type ConstraintTexts } from './hierarchy/ca-constraints.js';
export {
  StatusAuthorities,
  type StatusAuthoritiesOptions,
  type StatusAuthority,
} from './hierarchy/status-authorities.js';
export { statusUnder } from './hierarchy/status-under.js';
export { assertKeyPlace } from './hierarchy/new-ca-key.js';
