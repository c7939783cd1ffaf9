import { createPublicKey, type KeyObject, randomBytes, verify } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CertmillError, isName } from '@certmill/domain';
import {
  basicConstraints,
  certificatePolicies,
  type CertificationRequestWalk,
  compileTemplate,
  createCertificationRequestWalk,
  derErrorText,
  type DerResult,
  encodeCertificationRequest,
  encodeOid,
  encodeSequence,
  encodeSetOf,
  extension,
  extKeyUsage,
  keyUsage,
  nameConstraints,
  oids,
  pemEncode,
  readBasicConstraints,
  readCertificatePolicies,
  readExtensions,
  readExtKeyUsage,
  readNameConstraints,
  sequence,
  signatureAlgorithmDer,
  type TemplateNode,
  walkCertificationRequest,
} from '@certmill/der';
import { isErrorCode, publicFileMode, syncDirectory, writeFileAtomically } from '../atomic-file.js';
import { extensionsOf, extensionsView, type ExtensionView } from '../inspect/extension-view.js';
import { nameText } from '../inspect/view.js';
import { readDerNode } from '../lint/der-node.js';
import { decryptPrivateKey } from '../keys/encrypted-private-key.js';
import { assertUsualForm } from '../keys/key-form.js';
import { issuerKeyTypeOf, type IssuerKeyType } from '../keys/key-types.js';
import { openSerialKeys } from '../keys/serial-keys.js';
import { isSameBytes } from '../path/path-certificate.js';
import { certificatesInGivenPem, type CaCertificate, readCaCertificate } from './ca-certificate.js';
import { descriptionFileName, readDescription, writeDescription } from './ca-description.js';
import { type CaProfile, caOfProfile, issueProfiledCaCertificate } from './ca-profiles.js';
import { hashOf, type SoftwareCaSigner } from './ca-key.js';
import { type CaModules, type CaSlot, readSlot, slotFileName } from './ca-slot.js';
import { checkWorkingChain } from './check-chain.js';
import { withCaLock, withCaLockThere } from './folder-lock.js';
import {
  assertOrderOfIssuer,
  type AuthorityWish,
  backdated,
  endOf,
  recordIssued,
  roleOf,
  statusOf,
} from './issue-authority.js';
import { type CaCertificateSpec, newCaSerialNumber } from './issue-ca-certificate.js';
import {
  assertNewIssuer,
  type IssuerFolderContent,
  writeIssuerFolder,
  writeKeyFile,
} from './issuer-folder.js';
import { assertIssuerName, formerFolderName, keyFileName } from './issuer-paths.js';
import { type DistinguishedName, isSameName, readDistinguishedName } from './distinguished-name.js';
import { assertNameFits } from './issued-to.js';
import { findAuthority, type Issuer } from './load-issuers.js';
import { certificateBySerial, keySha256Of } from './lost-keys.js';
import { assertModules, assertNewKeyPlace, newCaKey } from './new-ca-key.js';
import { narrowerConstraints } from './narrower-constraints.js';
import { assertOwnName, type NewCaName } from './own-name.js';
import { assertRekeyable, assertRekeyableIn, retireRekeyed } from './rekeyed.js';
import {
  authorityIn,
  type AuthorityPlace,
  openAuthority,
  openAuthorityKey,
  type SigningAuthority,
} from './open-authority.js';
import { assertKeyNotRevoked, assertNotRevoked } from './revoked-key.js';
import { replaceCertificate } from './replace-certificate.js';
import { assertGoodStanding } from './taken-in.js';
import { certificateOf, specOfCertificate, writableConstraints } from './certificate-spec.js';
import { readStatus, statusFileName, writeStatus } from './status-file.js';

/** Requests whose certificates have not come back, a folder each, beside the CAs. */
export const caRequestsFolderName = 'ca-requests';
const requestFileName = 'request.pem';
/** A CA's request has a few hundred octets; an ML-DSA-87 key and signature 8 KiB. */
const maxRequestBytes = 64 * 1024;

export interface CaRequest {
  readonly requestPem: string;
  readonly file: string;
}

/**
 * Makes the key of a CA under somebody else's root, or under one that is offline, and its PKCS#10
 * request (RFC 2986) with the extensions that are wished for (RFC 2985 5.4.2). The request lies in
 * `ca-requests/<name>` until `completeAuthority`, with the key, or with the slot of the module that made
 * it. The folder is there with all of its files or not at all. Faults: those of `newCaKey`; CONFLICT
 * where the CA or a request of the name is there, and as `assertOwnName`.
 */
export async function requestAuthority(
  wish: Omit<AuthorityWish, 'lifetimeSeconds'> & Pick<NewCaName, 'rekeys'>,
): Promise<CaRequest> {
  const { name, directory, status, order, rekeys } = wish;
  assertIssuerName(name);
  assertOrderOfIssuer(wish);
  await assertNewIssuer(directory, name);
  assertOwnName(directory, wish);
  const folder = requestFolderOf(directory, name);
  if (existsSync(folder)) throw requestIsThere(name, folder);
  const { signer, content } = await newCaKey(wish);
  const requestPem = requestOf(wish, signer);
  const temporary = `${folder}.${randomBytes(6).toString('hex')}.tmp`;
  await mkdir(temporary, { recursive: true, mode: 0o700 });
  try {
    await writeKeyFile(directory, temporary, content);
    await writeFileAtomically(join(temporary, requestFileName), requestPem, publicFileMode);
    await writeDescription(join(temporary, descriptionFileName), {
      role: roleOf(wish),
      ...(rekeys === undefined ? {} : { rekeys }),
      ...(order === undefined ? {} : { order }),
    });
    if (status !== undefined) await writeStatus(join(temporary, statusFileName), status);
    await rename(temporary, folder);
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true });
    if (!isErrorCode(cause, 'ENOTEMPTY') && !isErrorCode(cause, 'EEXIST')) throw cause;
    throw requestIsThere(name, folder);
  }
  await syncDirectory(join(directory, caRequestsFolderName));
  return { requestPem, file: join(folder, requestFileName) };
}

/**
 * The request of a new key for a CA that is there: its subject and all else that its certificate says, to
 * be signed by a CA whose key is elsewhere. The one before is retired once the certificate is taken in.
 * CONFLICT where it has a new key already, or was given up.
 */
export async function requestRekey(
  options: Pick<AuthorityWish, 'name' | 'directory' | 'passphrase' | 'slot' | 'modules'> & {
    readonly rekeys: string;
    /** Default: as before. */
    readonly keyType?: IssuerKeyType;
  },
): Promise<CaRequest> {
  const before = await authorityIn(options.directory, options.rekeys);
  if (before.role === 'root') {
    throw new CertmillError(
      'INVALID_INPUT',
      "a root gets a new key in a folder of its own: 'certmill ca rekey root --into DIR'",
    );
  }
  assertRekeyable(before, options.name);
  assertNewKeyPlace(before, options.slot);
  return requestAuthority({
    ...specOfCertificate(certificateOf(before)),
    ...(before.status === undefined ? {} : { status: before.status }),
    ...(before.order === undefined ? {} : { order: before.order }),
    ...options,
    keyType: options.keyType ?? before.keyType,
  });
}

/**
 * The request of a CA that is there, for another certificate of the same subject and key from a root
 * that is elsewhere: a renewal. `completeAuthority` takes its certificate in. CONFLICT where it is revoked.
 */
export async function requestRenewal(place: AuthorityPlace): Promise<string> {
  const { ca, signer } = await openAuthorityKey(place);
  if (ca.role === 'root') {
    throw new CertmillError('INVALID_INPUT', 'a root renews itself: certmill ca renew root');
  }
  assertNotRevoked(ca);
  return requestOf(specOfCertificate(certificateOf(ca)), signer);
}

type RequestedExtensions = Pick<
  CaCertificateSpec,
  'subjectDer' | 'pathLenConstraint' | 'nameConstraints' | 'policies' | 'extKeyUsage'
>;

function requestOf(wish: RequestedExtensions, signer: SoftwareCaSigner): string {
  const der = encodeCertificationRequest({
    subjectDer: wish.subjectDer,
    subjectPKInfoDer: signer.subjectPKInfoDer,
    attributesDer: [
      encodeSequence(encodeOid(oids.id_extensionRequest), encodeSetOf(extensionsDer(wish))),
    ],
    signatureAlgorithmDer: signatureAlgorithmDer(signer.signatureAlgorithm),
    sign: (info) => signer.sign(info),
  });
  return pemEncode('CERTIFICATE REQUEST', der);
}

function extensionsDer(wish: RequestedExtensions): Uint8Array {
  const nodes: TemplateNode[] = [
    extension(oids.id_ce_basicConstraints, true, basicConstraints(true, wish.pathLenConstraint)),
    extension(oids.id_ce_keyUsage, true, keyUsage(['keyCertSign', 'cRLSign'])),
  ];
  if (wish.policies !== undefined && wish.policies.length > 0) {
    nodes.push(
      extension(oids.id_ce_certificatePolicies, false, certificatePolicies(wish.policies)),
    );
  }
  if (wish.nameConstraints !== undefined) {
    nodes.push(extension(oids.id_ce_nameConstraints, true, nameConstraints(wish.nameConstraints)));
  }
  if (wish.extKeyUsage !== undefined && wish.extKeyUsage.length > 0) {
    nodes.push(extension(oids.id_ce_extKeyUsage, false, extKeyUsage(wish.extKeyUsage)));
  }
  const template = compileTemplate(sequence(...nodes));
  const out = new Uint8Array(maxRequestBytes);
  return out.slice(template.write(out, out.length, template.createValues()));
}

export interface SignRequestOptions {
  readonly requestPem: string;
  readonly parent: AuthorityPlace;
  readonly lifetimeSeconds?: number;
  /** Whatever is asked for: absent it is 0, an issuing CA. */
  readonly pathLenConstraint?: number;
  readonly nameConstraints?: CaCertificateSpec['nameConstraints'];
  readonly policies?: readonly string[];
  readonly extKeyUsage?: readonly string[];
  /** The standard that subject, key and certificate keep. */
  readonly profile?: CaProfile;
  /** What the subject that is asked for has to hold. */
  readonly attributes?: DistinguishedName;
  readonly nowMs: number;
}

/** A CA certificate for a request, with the chain above it: what is carried back. */
export interface SignedRequest {
  readonly chainDer: readonly Uint8Array[];
  readonly certificate: CaCertificate;
}

/**
 * What the machine of an offline root does with a request: a CA certificate for its subject and key.
 * Of the extensions that are asked for, name constraints, policies and purposes are taken where the options
 * do not say otherwise, within what the parent allows; anything else is left out. How many CAs may follow is
 * never the request's to say: INVALID_INPUT where it asks for more than none, and the options say nothing.
 * Throws INVALID_INPUT where the request is none, does not prove possession of its key, or says that it
 * is no CA; as `openAuthority`, `assertKeyNotRevoked` and `issueCaCertificate`.
 */
export async function signAuthorityRequest(options: SignRequestOptions): Promise<SignedRequest> {
  return withCaLockThere(options.parent.directory, async () => {
    const parent = await openAuthority(options.parent, options.nowMs);
    const signed = await certificateForRequest(options, parent);
    await recordIssued(parent.ca, signed.certificate.der);
    return signed;
  });
}

/** The same under a CA that is open; whoever calls it records what was issued. */
export async function certificateForRequest(
  options: Omit<SignRequestOptions, 'parent'>,
  parent: SigningAuthority,
): Promise<SignedRequest> {
  const request = readCaRequest(options.requestPem);
  assertNameFits(request.subjectDer, parent.ca);
  assertKeyNotRevoked(parent.ca, keySha256Of(request.subjectPKInfoDer));
  const notBeforeMs = Math.max(backdated(options.nowMs), parent.ca.notBeforeMs);
  const constraints = options.nameConstraints ?? request.nameConstraints;
  const policies = options.policies ?? request.policies;
  const purposes = options.extKeyUsage ?? request.extKeyUsage;
  const pathLenConstraint = assertRequested(options, request);
  const certificateDer = await issueProfiledCaCertificate(
    options.profile,
    {
      subjectDer: request.subjectDer,
      serialNumber: newCaSerialNumber(),
      notBeforeMs,
      notAfterMs: endOf(options, notBeforeMs, parent.ca.notAfterMs),
      pathLenConstraint,
      ...(constraints === undefined ? {} : { nameConstraints: constraints }),
      ...(policies === undefined ? {} : { policies }),
      ...(purposes === undefined ? {} : { extKeyUsage: purposes }),
      ...statusOf(parent.ca),
    },
    request.subjectPKInfoDer,
    parent,
  );
  return {
    chainDer: [certificateDer, ...parent.ca.chainDer],
    certificate: readCaCertificate(certificateDer, 'the certificate'),
  };
}

/** The path length that it gets. Throws INVALID_INPUT where it asks for what it does not get. */
function assertRequested(
  {
    profile,
    attributes = [],
    pathLenConstraint,
  }: Pick<SignRequestOptions, 'profile' | 'attributes' | 'pathLenConstraint'>,
  request: Pick<ReadRequest, 'subjectDer' | 'keyType' | 'pathLenConstraint'>,
): number {
  const asked = request.pathLenConstraint ?? 0;
  if (profile !== undefined || attributes.length > 0) {
    const subject = readDistinguishedName(request.subjectDer);
    for (const { type, value } of attributes) {
      if (subject.some((own) => own.type === type && own.value === value)) continue;
      throw badRequest(`does not ask for the ${type} ${value}`);
    }
    const wished = { ...request, subject, pathLenConstraint: pathLenConstraint ?? asked };
    if (profile !== undefined) caOfProfile(profile, wished);
  }
  if (pathLenConstraint === undefined && asked > 0) {
    throw badRequest(
      `asks for the path length ${String(asked)}: say which it gets, for an issuing CA 0`,
    );
  }
  return pathLenConstraint ?? 0;
}

/** What a request asks for, for those who decide. */
export interface CaRequestView {
  readonly subject: string;
  readonly keyType: IssuerKeyType;
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  readonly keySha256: string;
  /** As `inspect` shows them, whether or not the certificate gets them. */
  readonly extensions: readonly ExtensionView[];
}

/** Reads a request, and refuses as `certificateForRequest` does what needs neither a key nor the folder of the CA. */
export function viewCaRequest(
  options: Pick<SignRequestOptions, 'requestPem' | 'profile' | 'attributes' | 'pathLenConstraint'>,
): CaRequestView {
  const request = readCaRequest(options.requestPem);
  assertRequested(options, request);
  return {
    subject: nameText(request.subjectDer),
    keyType: request.keyType,
    keySha256: keySha256Of(request.subjectPKInfoDer),
    extensions: extensionsView(extensionsOf(readDerNode(request.extensionsDer))),
  };
}

/** As `assertNameFits`, of who asks. */
export function assertRequesterFits(
  requestPem: string,
  signer: Pick<Issuer, 'directory'>,
): Uint8Array | undefined {
  return assertNameFits(readCaRequest(requestPem).subjectDer, signer);
}

interface ReadRequest extends RequestedExtensions {
  readonly subjectPKInfoDer: Uint8Array;
  readonly keyType: IssuerKeyType;
  /** The Extensions that are asked for; empty for none. */
  readonly extensionsDer: Uint8Array;
}

function readCaRequest(pem: string): ReadRequest {
  const [, base64] =
    /-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----([^-]*)-----END/.exec(
      pem.slice(0, 2 * maxRequestBytes),
    ) ?? [];
  if (base64 === undefined) throw badRequest('holds no PEM CERTIFICATE REQUEST');
  const der = new Uint8Array(Buffer.from(base64, 'base64'));
  const walk = createCertificationRequestWalk();
  if (!walkCertificationRequest(der, 0, der.length, walk, maxRequestBytes)) {
    throw badRequest(walk.error === undefined ? 'is not DER' : derErrorText[walk.error]);
  }
  const subjectPKInfoDer = der.slice(walk.subjectPKInfoStart, walk.subjectPKInfoEnd);
  const keyType = issuerKeyTypeOf(assertPossession(der, walk, subjectPKInfoDer));
  assertUsualForm(subjectPKInfoDer, 'the request');
  const found =
    walk.extensionsStart < 0
      ? []
      : valueOf(readExtensions(der, walk.extensionsStart, walk.extensionsEnd));
  const read = <T>(
    oid: string,
    reader: (bytes: Uint8Array, start: number, end: number) => DerResult<T>,
  ): T | undefined => {
    const at = found.find((candidate) => candidate.oid === oid);
    return at === undefined ? undefined : valueOf(reader(der, at.valueStart, at.valueEnd));
  };
  const basic = read(oids.id_ce_basicConstraints, readBasicConstraints);
  if (basic?.cA === false) throw badRequest('says that it is no CA (RFC 5280 4.2.1.9)');
  const constraints = writableConstraints(read(oids.id_ce_nameConstraints, readNameConstraints));
  const policies = read(oids.id_ce_certificatePolicies, readCertificatePolicies);
  const purposes = read(oids.id_ce_extKeyUsage, readExtKeyUsage);
  return {
    subjectDer: der.slice(walk.subjectStart, walk.subjectEnd),
    subjectPKInfoDer,
    keyType,
    extensionsDer: der.slice(Math.max(0, walk.extensionsStart), Math.max(0, walk.extensionsEnd)),
    ...(basic?.pathLenConstraint === undefined
      ? {}
      : { pathLenConstraint: basic.pathLenConstraint }),
    ...(constraints === undefined ? {} : { nameConstraints: constraints }),
    ...(policies === undefined ? {} : { policies }),
    ...(purposes === undefined ? {} : { extKeyUsage: purposes }),
  };
}

/** RFC 2986 3: who asks has the key, which is returned. */
function assertPossession(
  der: Uint8Array,
  walk: CertificationRequestWalk,
  subjectPKInfoDer: Uint8Array,
): KeyObject {
  const algorithm = walk.signatureAlgorithm;
  const isStrong = !/unsupported|sha1$|sha224$|md\d$|pss/.test(algorithm);
  try {
    const key = createPublicKey({
      key: Buffer.from(subjectPKInfoDer),
      format: 'der',
      type: 'spki',
    });
    const isProven =
      isStrong &&
      verify(
        hashOf(algorithm),
        der.subarray(walk.certificationRequestInfoStart, walk.certificationRequestInfoEnd),
        key,
        der.subarray(walk.signatureStart, walk.signatureEnd),
      );
    if (isProven) return key;
  } catch {
    // A key that cannot be read proves nothing.
  }
  throw badRequest('does not prove possession of its key (RFC 2986 3)');
}

function valueOf<T>(result: DerResult<T>): T {
  if (result.ok) return result.value;
  throw badRequest(derErrorText[result.error.code]);
}

function badRequest(reason: string): CertmillError {
  return new CertmillError('INVALID_INPUT', `the request ${reason}`);
}

export interface CompletionOptions {
  readonly directory: string;
  readonly name: string;
  /** PEM certificates: the CA's first, the root last. */
  readonly chainPem: string;
  /** Of a CA that is there: the certificate may end earlier than the one in force. */
  readonly mayEndEarlier?: boolean;
  /** The same of one that, with the CAs above it, takes away what the CA may sign. */
  readonly mayNarrowConstraints?: boolean;
  /** Of the key in the request, where it lies in a file. */
  readonly passphrase: string;
  /** Reaches a key that is in a module. */
  readonly modules?: CaModules;
  readonly nowMs: number;
}

/** The module that has the key of a CA, or of one that has been asked for; undefined where a file has it. */
export async function findKeySlot(directory: string, name: string): Promise<CaSlot | undefined> {
  const ca = await findAuthority(directory, name);
  return ca === undefined ? slotOfRequest(directory, name) : ca.slot;
}

async function slotOfRequest(directory: string, name: string): Promise<CaSlot | undefined> {
  if (!isName(name)) return undefined;
  const text = await requestFileOrNone(requestFolderOf(directory, name), slotFileName);
  return text === undefined ? undefined : readSlot(text);
}

/**
 * Takes in the certificate that a CA has asked for, or another one of a CA that is there: after checking
 * that the chain is one now, and that subject and key are those of the request, or octet for octet those of the CA.
 * Repeating it is success. INVALID_INPUT, FAULT_KEY_MISMATCH; NOT_FOUND where neither request nor CA is there; CONFLICT
 * where the CA that is there is revoked, where it would go back to a certificate from before, and where it would end
 * earlier or could sign less, which nobody has said is meant; as `assertGoodStanding`.
 */
export async function completeAuthority(options: CompletionOptions): Promise<Issuer> {
  const { directory, name, nowMs } = options;
  assertIssuerName(name);
  const chain = certificatesInGivenPem(options.chainPem).map((der, index) =>
    readCaCertificate(der, `certificate ${String(index + 1)} of the chain`),
  );
  const [own] = chain;
  if (own === undefined) {
    throw new CertmillError('INVALID_INPUT', 'the chain holds no PEM certificate');
  }
  if (own.keyIdentifier.length === 0) {
    throw new CertmillError(
      'INVALID_INPUT',
      'the certificate has no subjectKeyIdentifier, which every CA must have (RFC 5280 4.2.1.2)',
    );
  }
  checkWorkingChain(chain, nowMs);
  return withCaLock(directory, async () => {
    const existing = await findAuthority(directory, name);
    if (existing === undefined) await takeIn(options, chain, own);
    else await takeAnother(options, existing, chain, own);
    await retireRekeyed(directory, name, nowMs);
    // Left over where this was killed after the CA was in its place, or done by now.
    await rm(requestFolderOf(directory, name), { recursive: true, force: true });
    await openSerialKeys(directory);
    return authorityIn(directory, name);
  });
}

async function takeIn(
  options: CompletionOptions,
  chain: readonly CaCertificate[],
  own: CaCertificate,
): Promise<void> {
  const { directory, name } = options;
  const folder = requestFolderOf(directory, name);
  const request = readCaRequest(await requestFile(folder, requestFileName, name));
  const { spkiDer, content } = await requestedKey(options, request.keyType);
  assertOwnKey(own, spkiDer);
  assertRequestedName(own, request.subjectDer);
  const description = readDescription(await requestFile(folder, descriptionFileName, name));
  if (description.role === 'intermediate' && own.pathLenConstraint === 0) {
    throw new CertmillError(
      'INVALID_INPUT',
      'the certificate allows no CA below it (pathLenConstraint 0), and an intermediate was asked for',
    );
  }
  await assertRekeyableIn(directory, description.rekeys, name);
  const parent = assertGoodStanding(directory, name, [own, ...chain.slice(1)])?.name;
  const status = await requestFileOrNone(folder, statusFileName);
  await writeIssuerFolder(directory, name, {
    chainDer: chain.map(({ der }) => der),
    ...content,
    description: { ...description, ...(parent === undefined ? {} : { parent }) },
    ...(status === undefined ? {} : { status: readStatus(status) }),
  });
}

/** The key that was made for a request, asked where it is: in its file, or in its module. */
async function requestedKey(
  { directory, name, passphrase, modules }: CompletionOptions,
  keyType: IssuerKeyType,
): Promise<{
  readonly spkiDer: Uint8Array;
  readonly content: Pick<IssuerFolderContent, 'key' | 'slot'>;
}> {
  const slot = await slotOfRequest(directory, name);
  if (slot !== undefined) {
    assertModules(modules, slot);
    const { subjectPKInfoDer } = await modules.open(slot, keyType);
    return { spkiDer: subjectPKInfoDer, content: { slot } };
  }
  const keyPem = await requestFile(requestFolderOf(directory, name), keyFileName, name);
  const key = decryptPrivateKey(keyPem, passphrase, `the key of the request of CA '${name}'`);
  const spkiDer = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return { spkiDer, content: { key: { encryptedPem: keyPem } } };
}

async function takeAnother(
  options: CompletionOptions,
  existing: Issuer,
  chain: readonly CaCertificate[],
  own: CaCertificate,
): Promise<void> {
  assertOwnKey(own, existing.spkiDer);
  assertSameOctets(own, existing);
  assertNotRevoked(existing);
  assertNotFormer(existing, own);
  assertMeant(options, existing, [own, ...chain.slice(1)]);
  const { directory } = options;
  assertGoodStanding(directory, existing.name, [own, ...chain.slice(1)]);
  await replaceCertificate(
    directory,
    existing,
    chain.map(({ der }) => der),
  );
}

/** A certificate that is in force already is taken in again: that of a run that was killed. */
function assertNotFormer(
  { name, directory, chainDer: [inForce = new Uint8Array()] }: Issuer,
  own: CaCertificate,
): void {
  if (Buffer.compare(own.der, inForce) === 0) return;
  const serialNumberHex = Buffer.from(own.serialNumber).toString('hex');
  const former = certificateBySerial([join(directory, formerFolderName)], serialNumberHex);
  if (former === undefined || Buffer.compare(former.der, own.der) !== 0) return;
  throw new CertmillError(
    'CONFLICT',
    `CA '${name}' had this certificate before the one in force: it does not go back`,
  );
}

/** What a chain takes away is meant where somebody says so: orders that are open may have no room in what is left. */
function assertMeant(
  { mayEndEarlier = false, mayNarrowConstraints = false }: CompletionOptions,
  { name, chainDer, notAfterMs }: Issuer,
  chain: readonly [CaCertificate, ...CaCertificate[]],
): void {
  const [own] = chain;
  const losses: string[] = [];
  if (own.notAfterMs < notAfterMs && !mayEndEarlier) {
    const [end, now] = [own.notAfterMs, notAfterMs].map((ms) => new Date(ms).toISOString());
    losses.push(`it ends at ${String(end)}, and that at ${String(now)} (--ends-earlier)`);
  }
  const before = chainDer.map((der) => readCaCertificate(der, `the chain of CA '${name}'`));
  const narrower = mayNarrowConstraints ? [] : narrowerConstraints(before, chain);
  if (narrower.length > 0) {
    losses.push(`it takes away ${narrower.join('; ')} (--narrower-constraints)`);
  }
  if (losses.length === 0) return;
  throw new CertmillError(
    'CONFLICT',
    `the certificate, with those above it, leaves CA '${name}' less than the one in force: ${losses.join('; ')}. ` +
      'Where that is meant, say so with the option',
  );
}

function assertOwnKey(own: CaCertificate, spkiDer: Uint8Array): void {
  if (Buffer.compare(own.spkiDer, spkiDer) === 0) return;
  throw new CertmillError(
    'FAULT_KEY_MISMATCH',
    'the first certificate of the chain is for another key than the one that was requested',
  );
}

/** Nothing is issued yet: the name may be encoded in another way than in the request. */
function assertRequestedName(own: CaCertificate, subjectDer: Uint8Array): void {
  if (!isSameName(own.subjectDer, subjectDer)) throw otherSubject();
}

/**
 * What it has issued names it octet for octet (RFC 5280 4.1.2.6), and so do CRL entries and OCSP requests (RFC 6960
 * 4.1.1): under the same name in another encoding those certificates would have no status.
 */
function assertSameOctets(own: CaCertificate, { name, subjectDer }: Issuer): void {
  if (isSameBytes(own.subjectDer, subjectDer)) return;
  if (!isSameName(own.subjectDer, subjectDer)) throw otherSubject();
  throw new CertmillError(
    'INVALID_INPUT',
    `the certificate has the subject of CA '${name}' in other octets (of another string type, such as PrintableString ` +
      'for UTF8String), and what the CA has issued, its CRLs and OCSP need the same ones (RFC 5280 4.1.2.6): ' +
      'ask the CA above to copy the subject of the request as it is encoded there',
  );
}

function otherSubject(): CertmillError {
  return new CertmillError(
    'INVALID_INPUT',
    'the first certificate of the chain has another subject than the one that was requested',
  );
}

function requestFolderOf(directory: string, name: string): string {
  return join(directory, caRequestsFolderName, name);
}

async function requestFile(folder: string, fileName: string, name: string): Promise<string> {
  const text = await requestFileOrNone(folder, fileName);
  if (text !== undefined) return text;
  throw new CertmillError('NOT_FOUND', `there is no request of CA '${name}' (${fileName})`);
}

async function requestFileOrNone(folder: string, fileName: string): Promise<string | undefined> {
  try {
    return await readFile(join(folder, fileName), 'utf8');
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT')) return undefined;
    throw cause;
  }
}

function requestIsThere(name: string, folder: string): CertmillError {
  return new CertmillError('CONFLICT', `a request of CA '${name}' is there already: ${folder}`);
}
