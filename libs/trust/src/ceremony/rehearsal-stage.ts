import { generateKeyPairSync, hash, randomBytes } from 'node:crypto';
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { isErrorCode, secretFileMode } from '../atomic-file.js';
import {
  type CaCertificate,
  certificatesInPem,
  pemOfCertificates,
  readCaCertificate,
} from '../hierarchy/ca-certificate.js';
import { descriptionFileName, retirementFileName } from '../hierarchy/ca-description.js';
import { checkedFileName, digestOfChain } from '../hierarchy/ca-files.js';
import { type CaKeyPair, type CaSigner, caSignerOf, generateCaKey } from '../hierarchy/ca-key.js';
import { type CaModules, type CaSlot, readSlot, slotFileName } from '../hierarchy/ca-slot.js';
import { assertOtherCa } from '../hierarchy/cross-certify.js';
import { distinguishedNameDer } from '../hierarchy/distinguished-name.js';
import { caCrlFileName } from '../hierarchy/ca-crl-time.js';
import { issuedFileOf } from '../hierarchy/issue-authority.js';
import { crlNumberFileName } from '../hierarchy/issue-ca-crl.js';
import {
  issueCaCertificate,
  newCaSerialNumber,
  noExpirationMs,
} from '../hierarchy/issue-ca-certificate.js';
import { caDirectoryOf, issuerPathsOf, keyFileName, rootName } from '../hierarchy/issuer-paths.js';
import { findAuthority, type Issuer, refusalOf } from '../hierarchy/load-issuers.js';
import { planCaRevocation } from '../hierarchy/revoke-authority.js';
import { assertKeyNotLost, assertKeyNotRevoked } from '../hierarchy/revoked-key.js';
import { keySha256Of } from '../hierarchy/lost-keys.js';
import { assertRequesterFits, viewCaRequest } from '../hierarchy/request-authority.js';
import { revokedBeforeFileName, revokedCasFileName } from '../hierarchy/revoked-cas.js';
import { statusFileName } from '../hierarchy/status-file.js';
import { encryptPrivateKey } from '../keys/encrypted-private-key.js';
import {
  casOf,
  type CeremonyFile,
  type CeremonyStep,
  type InputFile,
  type StepOf,
} from './ceremony-file.js';
import { assertApproved, sha256Of } from './ceremony-record.js';
import type { KeyShare, ShareLock } from './key-share.js';
import { parseSealedSecret, type SealedSecret, splitSecret } from './split-secret.js';
import { standInCertificate } from './stand-in-certificate.js';
import { type Custody, readTextOrUndefined, sealedKeyFileName } from './step-context.js';

/** What lies beside certificate and key of a CA, and decides what becomes of a step. */
const copiedFiles: readonly string[] = [
  ...[descriptionFileName, retirementFileName, statusFileName],
  ...[revokedCasFileName, revokedBeforeFileName, crlNumberFileName, caCrlFileName],
];

interface NewFile {
  readonly name: string;
  readonly content: string;
}

/** How the key of a CA is kept. */
interface KeyForm {
  readonly sealed?: SealedSecret;
  readonly slotText?: string;
  readonly isWhole: boolean;
}

/** What is rehearsed, and where it will be carried out. */
export interface RehearsedCeremony {
  readonly ceremony: CeremonyFile;
  readonly dataDirectory: string;
  readonly nowMs: number;
  readonly readInput: (file: string) => Promise<Uint8Array>;
}

/**
 * Where a rehearsal plays: a folder with CAs, passphrases and shares that stand in for the real ones. A CA
 * that a step names, and each above it, has the certificate of the real one with another key.
 */
export class RehearsalStage {
  private readonly directory: string;
  private readonly real: RehearsedCeremony;
  /** CAs whose keys steps use: only they have another key here. */
  private readonly used = new Set<string>();
  /** Inputs of stand-ins, in the place of the files of these names. */
  private readonly inputs = new Map<string, Uint8Array>();
  private readonly passphrase = randomBytes(16).toString('hex');
  /** Of all keys here. */
  private readonly salt = randomBytes(16);
  /** Every custodian's: what a passphrase is stretched for is not at stake here. */
  private readonly lockPair = generateKeyPairSync('x25519');
  private readonly shares: KeyShare[] = [];
  private readonly slots: readonly Omit<CaSlot, 'keyId'>[];
  /** Keys that stand in for those in modules, by CKA_ID. */
  private readonly moduleKeys = new Map<string, CaKeyPair>();
  /** By the SHA-256 of the real SubjectPublicKeyInfo. */
  private readonly keys = new Map<string, Promise<CaKeyPair>>();
  /** By the SHA-256 of the real certificate. */
  private readonly certificates = new Map<string, Promise<Uint8Array>>();
  /** Keys of CAs that only a sealed backup knows, by their names. */
  private readonly restored = new Map<string, CaKeyPair>();

  constructor(directory: string, real: RehearsedCeremony) {
    this.directory = directory;
    this.real = real;
    this.slots = real.ceremony.steps.flatMap((step) =>
      step.do === 'make-root' && step.slot !== undefined
        ? [{ ...step.slot, module: 'a rehearsal', pinFile: 'a rehearsal' }]
        : [],
    );
  }

  get custody(): Custody {
    const { passphrase, lock, lockPair, shares, modules, slots } = this;
    return {
      folderPassphrase: () => Promise.resolve(passphrase),
      lockOf: () => Promise.resolve(lock),
      secretOf: () => Promise.resolve({ privateKey: lockPair.privateKey }),
      shares,
      modules,
      slots,
    };
  }

  /**
   * Stands in for what the steps name, and resolves to the steps with the hashes of inputs that changed
   * with it. Throws what a step would for the real CA and its input.
   */
  async prepare(): Promise<CeremonyFile['steps']> {
    const { steps } = this.real.ceremony;
    const named = new Set(steps.flatMap(casOf));
    for (const name of steps.filter(usesKey).flatMap(casOf)) this.used.add(name);
    for (const name of this.used) await this.standInFor(name);
    for (const name of named) await this.add(name);
    if (steps.some((step) => step.do === 'renew-root')) await this.addThoseBelow();
    const rehearsed: CeremonyStep[] = [];
    for (const step of steps) rehearsed.push(await this.rehearsedStep(step));
    return rehearsed;
  }

  /** A file that a step of `prepare` takes in. */
  async readInput(file: string): Promise<Uint8Array> {
    return this.inputs.get(file) ?? this.real.readInput(file);
  }

  private get modules(): CaModules {
    return {
      generate: async ({ keyId }, keyType) => {
        this.moduleKeys.set(keyId, await generateCaKey(keyType));
      },
      open: ({ token, keyId }) => {
        const key = this.moduleKeys.get(keyId);
        if (key !== undefined) return Promise.resolve(signerOf(key));
        throw new CertmillError('FAULT_PROCESSING', `token ${token} is not in the rehearsal`);
      },
    };
  }

  private get lock(): ShareLock {
    const pem = this.lockPair.publicKey.export({ format: 'pem', type: 'spki' });
    return { encryptionKey: pem.toString() };
  }

  private async rehearsedStep(step: CeremonyStep): Promise<CeremonyStep> {
    if (step.do === 'restore-keys') {
      return { ...step, bundle: this.replaced(step.bundle, await this.bundleFor(step)) };
    }
    if (step.do === 'revoke-ca') {
      const text = await this.certificateToRevoke(step);
      return { ...step, certificate: this.replaced(step.certificate, text) };
    }
    if (step.do === 'renew-root') await this.assertRenewed();
    if (step.do === 'issue-ca') await this.assertIssued(step);
    if (step.do === 'cross-certify') await this.assertCrossed(step);
    return step;
  }

  private replaced(input: InputFile, text: string): InputFile {
    this.inputs.set(input.file, Buffer.from(text));
    return { ...input, sha256: sha256Of(text) };
  }

  private realCa(name: string): Promise<Issuer | undefined> {
    return findAuthority(this.real.dataDirectory, name);
  }

  /** By all that the real folder knows, such as a CRL of the CA above that was taken in. */
  private async assertSigns(name: string): Promise<void> {
    const ca = await this.realCa(name);
    const refusal = ca === undefined ? undefined : refusalOf(ca, this.real.nowMs);
    if (refusal !== undefined) throw new CertmillError('CONFLICT', refusal);
  }

  private async assertRenewed(): Promise<void> {
    const root = await this.realCa(rootName);
    if (root !== undefined) assertKeyNotLost(this.real.dataDirectory, keySha256Of(root.spkiDer));
  }

  private async assertIssued(step: StepOf<'issue-ca'>): Promise<void> {
    await this.assertSigns(step.under);
    const ca = await this.realCa(step.under);
    if (ca === undefined) return;
    const requestPem = await this.inputText(step.request);
    const pathLenConstraint = step.pathLength ?? 0;
    const { keySha256 } = viewCaRequest({ requestPem, pathLenConstraint });
    assertKeyNotRevoked(ca, keySha256);
    // The step asks for it too.
    const before = assertRequesterFits(requestPem, ca);
    if (before !== undefined) await this.keepIssued(step.under, before);
  }

  private async assertCrossed(step: StepOf<'cross-certify'>): Promise<void> {
    await this.assertSigns(step.under);
    const ca = await this.realCa(step.under);
    if (ca === undefined) return;
    const other = await this.certificateIn(step.certificate);
    assertOtherCa(other, ca);
    assertKeyNotRevoked(ca, keySha256Of(other.spkiDer));
  }

  /** The certificate as the stand-in of its issuer would have signed it. */
  private async certificateToRevoke(step: StepOf<'revoke-ca'>): Promise<string> {
    const { under, reason } = step;
    const original = await this.certificateIn(step.certificate);
    const parent = await this.realCa(under);
    const { dataDirectory: directory, nowMs } = this.real;
    const wish = { directory, certificateDer: original.der, reason, nowMs };
    const plan = parent === undefined ? undefined : await planCaRevocation(wish, parent);
    const key = await this.standInKeyOf(under, parent);
    const standIn = async (der: Uint8Array): Promise<Uint8Array> =>
      key === undefined ? der : standInCertificate(der, signerOf(key));
    // The step finds those that it would revoke with it.
    for (const { der } of plan?.others ?? []) await this.keepIssued(under, await standIn(der));
    return pemOfCertificates([await standIn(original.der)]);
  }

  private async keepIssued(by: string, der: Uint8Array): Promise<void> {
    const file = join(issuerPathsOf(this.directory, by).directory, issuedFileOf(der));
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeFile(file, pemOfCertificates([der]));
  }

  /** Undefined of a CA that has its own key here, or that is made here. */
  private async standInKeyOf(name: string, ca: Issuer | undefined): Promise<CaKeyPair | undefined> {
    if (ca === undefined) return this.restored.get(name);
    return this.used.has(name) ? this.keyFor(ca) : undefined;
  }

  private async inputText(input: InputFile): Promise<string> {
    const bytes = await this.real.readInput(input.file);
    assertApproved(bytes, input);
    return Buffer.from(bytes).toString('utf8');
  }

  private async certificateIn(input: InputFile): Promise<CaCertificate> {
    const [der] = certificatesInPem(await this.inputText(input));
    if (der !== undefined) return readCaCertificate(der, input.file);
    throw new CertmillError('INVALID_INPUT', `${input.file} holds no PEM certificate`);
  }

  private async standInFor(name: string): Promise<void> {
    const ca = await this.realCa(name);
    if (ca === undefined) return;
    const key = await this.keyFor(ca);
    await this.write(ca, await this.chainFor(ca), await this.keyFiles(ca, key));
    if (ca.parent !== undefined) await this.add(ca.parent);
  }

  /** A CA whose key nobody uses, and those above: whether they are revoked decides about what is below. */
  private async add(name: string): Promise<void> {
    const { chainFile } = issuerPathsOf(this.directory, name);
    if ((await readTextOrUndefined(chainFile)) !== undefined) return;
    const ca = await this.realCa(name);
    if (ca === undefined) return;
    const chain: Uint8Array[] = [];
    for (const der of ca.chainDer) chain.push((await this.certificates.get(idOf(der))) ?? der);
    await this.write(ca, chain, await this.keyFiles(ca, undefined));
    if (ca.parent !== undefined) await this.add(ca.parent);
  }

  /** CAs whose chains change with the root's certificate. */
  private async addThoseBelow(): Promise<void> {
    for (const name of await caNames(this.real.dataDirectory)) await this.add(name);
  }

  private chainFor({ chainDer }: Issuer): Promise<readonly Uint8Array[]> {
    const chain = chainDer.map((der) => readCaCertificate(der, 'a certificate of the chain'));
    return Promise.all(
      chain.map((one, index) => this.certificateFor(one, chain[index + 1] ?? one)),
    );
  }

  private certificateFor(original: CaCertificate, parent: CaCertificate): Promise<Uint8Array> {
    const make = async (): Promise<Uint8Array> => {
      const { subjectPKInfoDer } = await this.keyFor(original);
      return standInCertificate(original.der, await this.signerFor(parent), subjectPKInfoDer);
    };
    return madeOnce(this.certificates, idOf(original.der), make);
  }

  private keyFor({
    spkiDer,
    keyType,
  }: Pick<CaCertificate, 'spkiDer' | 'keyType'>): Promise<CaKeyPair> {
    return madeOnce(this.keys, idOf(spkiDer), () => generateCaKey(keyType));
  }

  private async signerFor(certificate: CaCertificate): Promise<CaSigner> {
    return signerOf(await this.keyFor(certificate));
  }

  /** The files that the real CA has, with what stands in for its key; something else for none. */
  private async keyFiles(ca: Issuer, key: CaKeyPair | undefined): Promise<readonly NewFile[]> {
    const { sealed, slotText, isWhole } = await keyFormIn(ca);
    const files: NewFile[] = [];
    if (slotText !== undefined) {
      if (key !== undefined) this.moduleKeys.set(readSlot(slotText).keyId, key);
      files.push({ name: slotFileName, content: slotText });
    }
    const pkcs8 = key?.privateKey.export({ format: 'der', type: 'pkcs8' });
    if (sealed !== undefined) {
      const content = pkcs8 === undefined ? unopened : await this.split(pkcs8, sealed);
      files.push({ name: sealedKeyFileName, content: textOf(content) });
    }
    if (isWhole) {
      const content =
        pkcs8 === undefined ? unopened : await encryptPrivateKey(pkcs8, this.passphrase, this.salt);
      files.push({ name: keyFileName, content });
    }
    pkcs8?.fill(0);
    return files;
  }

  /**
   * A backup that opens in the rehearsal. Its label has the name of the first CA and how many others there
   * are: those are taken to be CAs that steps name and the folder does not have.
   */
  private async bundleFor({ bundle }: StepOf<'restore-keys'>): Promise<string> {
    const original = parseSealedSecret(await this.inputText(bundle), bundle.file);
    const [, first, more = '0'] =
      /^backup ([a-z0-9-]+)(?: and (\d+) more)?$/.exec(original.purpose) ?? [];
    const missing: string[] = [];
    for (const name of new Set(this.real.ceremony.steps.flatMap(casOf))) {
      if (name !== first && (await this.realCa(name)) === undefined) missing.push(name);
    }
    const names = [...(first === undefined ? [] : [first]), ...missing.slice(0, Number(more))];
    const cas = [];
    for (const name of names) cas.push({ name, files: await this.filesOfRestored(name) });
    const plain = JSON.stringify({ type: 'certmill-key-backup', version: 1, cas });
    return JSON.stringify(await this.split(Buffer.from(plain), original));
  }

  /** A root of its own: what a sealed backup holds is not known, but whose certificates it revokes. */
  private async filesOfRestored(name: string): Promise<readonly NewFile[]> {
    const key = await generateCaKey('ec-p256');
    this.restored.set(name, key);
    const revocation = this.real.ceremony.steps.find(
      (step): step is StepOf<'revoke-ca'> => step.do === 'revoke-ca' && step.under === name,
    );
    const subjectDer =
      revocation === undefined
        ? distinguishedNameDer([{ type: 'commonName', value: name }])
        : (await this.certificateIn(revocation.certificate)).issuerDer;
    const certificateDer = await issueCaCertificate(
      {
        ...{ subjectDer, serialNumber: newCaSerialNumber() },
        ...{ notBeforeMs: 0, notAfterMs: noExpirationMs },
      },
      key.subjectPKInfoDer,
      { signer: signerOf(key) },
    );
    const pem = pemOfCertificates([certificateDer]);
    const pkcs8 = key.privateKey.export({ format: 'der', type: 'pkcs8' });
    const keyPem = await encryptPrivateKey(pkcs8, this.passphrase, this.salt);
    pkcs8.fill(0);
    return [
      { name: 'certificate.pem', content: base64Of(pem) },
      { name: 'chain.pem', content: base64Of(pem) },
      { name: keyFileName, content: base64Of(keyPem) },
    ];
  }

  /** The folder of a stand-in, with what the real one holds beside certificate and key. */
  private async write(
    { name, directory: original }: Issuer,
    chainDer: readonly Uint8Array[],
    keyFiles: readonly NewFile[] = [],
  ): Promise<void> {
    const { directory, certificateFile, chainFile } = issuerPathsOf(this.directory, name);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const chainPem = pemOfCertificates(chainDer);
    await writeFile(certificateFile, pemOfCertificates(chainDer.slice(0, 1)));
    await writeFile(chainFile, chainPem);
    await writeFile(join(directory, checkedFileName), `${digestOfChain(chainPem)}\n`);
    for (const file of keyFiles) {
      await writeFile(join(directory, file.name), file.content, { mode: secretFileMode });
    }
    for (const file of copiedFiles) {
      await copyFile(join(original, file), join(directory, file)).catch((error: unknown) => {
        if (!isErrorCode(error, 'ENOENT')) throw error;
      });
    }
  }

  /** As the original was split: among as many, of whom as many are needed. */
  private async split(secret: Uint8Array, original: SealedSecret): Promise<SealedSecret> {
    const { purpose, ceremonyId, threshold, custodians } = original;
    const { sealed, shares } = await splitSecret(secret, {
      ...{ purpose, ceremonyId, threshold },
      custodians: custodians.map(({ name }) => ({ name, lock: this.lock })),
    });
    this.shares.push(...shares);
    return sealed;
  }
}

/** In the place of a key that no step opens: stretching a passphrase for each takes its time. */
const unopened = 'a key\n';

/** Whether a step signs with the key of its CA, or takes it out of its file. */
function usesKey({ do: what }: CeremonyStep): boolean {
  return what !== 'backup-keys' && what !== 'destroy-key' && what !== 'revoke-ca';
}

async function keyFormIn({ directory, keyFile }: Issuer): Promise<KeyForm> {
  const sealedFile = join(directory, sealedKeyFileName);
  const sealedText = await readTextOrUndefined(sealedFile);
  const slotText = await readTextOrUndefined(join(directory, slotFileName));
  return {
    ...(sealedText === undefined ? {} : { sealed: parseSealedSecret(sealedText, sealedFile) }),
    ...(slotText === undefined ? {} : { slotText }),
    isWhole: (await readTextOrUndefined(keyFile)) !== undefined,
  };
}

function signerOf({ privateKey, subjectPKInfoDer }: CaKeyPair): ReturnType<typeof caSignerOf> {
  return caSignerOf(privateKey, subjectPKInfoDer);
}

function madeOnce<T>(
  made: Map<string, Promise<T>>,
  id: string,
  make: () => Promise<T>,
): Promise<T> {
  const known = made.get(id) ?? make();
  made.set(id, known);
  return known;
}

function idOf(der: Uint8Array): string {
  return hash('sha256', der, 'hex');
}

function textOf(content: SealedSecret | string): string {
  return typeof content === 'string' ? content : JSON.stringify(content);
}

function base64Of(text: string): string {
  return Buffer.from(text).toString('base64');
}

async function caNames(dataDirectory: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(caDirectoryOf(dataDirectory), { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
      .map(({ name }) => name);
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT')) return [];
    throw cause;
  }
}
