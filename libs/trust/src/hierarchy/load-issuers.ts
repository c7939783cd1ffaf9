import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { CertmillError, isCertmillError, isName, type StatusAddresses } from '@certmill/domain';
import type { IssuerSignatureAlgorithm } from '@certmill/der';
import { type IssuerLimits, limitsOfChain } from '@certmill/pipeline/compute';
import { isErrorCode } from '../atomic-file.js';
import { signatureAlgorithmFor, type IssuerKeyType } from '../keys/key-types.js';
import { findSerialKeys } from '../keys/serial-keys.js';
import { type CaCertificate, CaCertificateReader } from './ca-certificate.js';
import type { BoundOrder, CaRole, Retirement } from './ca-description.js';
import type { CaSlot } from './ca-slot.js';
import { type CaIdentity, CasByKey, isSameCa } from './cas-by-key.js';
import { type CaFiles, damagedCa, readCaFiles } from './ca-files.js';
import { checkChainDer } from './check-chain.js';
import {
  type ImportedCrl,
  ImportedCrlFolder,
  type ImportedCrls,
  mayRevoke,
  revocationIn,
} from './imported-crls.js';
import {
  alternativeFolderName,
  caDirectoryOf,
  formerFolderName,
  issuedFolderName,
  issuerPathsOf,
  rootName,
  type IssuerPaths,
} from './issuer-paths.js';
import { firstCaCertificateIn, keySha256Of, lostKeysOf, type Revoker } from './lost-keys.js';
import { recordIn } from './revocations-in-folder.js';
import { mergedEntry, type RevokedCa, revokedCasFileName } from './revoked-cas.js';

/** A CA of a data folder: what `ca show` prints and what issuing needs; no secrets. */
export interface Issuer extends IssuerPaths, IssuerLimits {
  readonly name: string;
  readonly role: CaRole;
  /** The CA's certificate first, the root last. */
  readonly chainDer: readonly Uint8Array[];
  readonly keyType: IssuerKeyType;
  readonly signatureAlgorithm: IssuerSignatureAlgorithm;
  /** Subject Name of the CA's certificate, byte for byte. */
  readonly subjectDer: Uint8Array;
  /** For people. */
  readonly subject: string;
  readonly spkiDer: Uint8Array;
  readonly keyIdentifier: Uint8Array;
  readonly serialNumberHex: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** False where the key is kept elsewhere: an offline root. */
  readonly hasKey: boolean;
  /** The module that has its key, where it is in one. */
  readonly slot?: CaSlot;
  /** Where the status of what it issues is told; absent: nowhere (ADR 0020). */
  readonly status?: StatusAddresses;
  /** The CA of this folder that signed it. */
  readonly parent?: string;
  /** CAs of this folder that decide with what they revoke whether it is good, nearest first. */
  readonly above: readonly string[];
  /** The CA of this folder whose new key it is. */
  readonly rekeys?: string;
  /** It serves nothing else. */
  readonly order?: BoundOrder;
  readonly retirement?: Retirement;
  /** It, or a CA above it, is revoked: whose certificate that is, and as what. */
  readonly revoked?: RevokedCa;
  /** CA certificates that it has revoked, as any folder of it has recorded. */
  readonly revokedCas: readonly RevokedCa[];
  /** Serial-key id of the data folder for new chunks; undefined before the first. */
  readonly serialKeyId: number | undefined;
}

/**
 * The issuing CAs of a data folder, by name; root and intermediates are not among them. An empty list
 * where there is no CA folder. Throws FAULT_STORE_CORRUPT where a CA's folder cannot be read, or its
 * chain is none. A chain that was checked when it was written is not verified again.
 */
export async function loadIssuers(dataDirectory: string): Promise<readonly Issuer[]> {
  return (await loadAuthorities(dataDirectory)).filter(({ role }) => role === 'issuing');
}

/** The same with root and intermediates: root first, then by name. */
export async function loadAuthorities(dataDirectory: string): Promise<readonly Issuer[]> {
  return (await readAuthorities(dataDirectory)).map(verified);
}

/** What is wrong with an issuer's chain, whatever the time is; undefined where nothing is. */
export function chainDefectOf({ chainDer }: Pick<Issuer, 'chainDer'>): string | undefined {
  try {
    checkChainDer(chainDer);
    return undefined;
  } catch (error) {
    if (!isCertmillError(error)) throw error;
    return error.message;
  }
}

/** The issuing CAs as they lie there: whether their chains verify is not looked at. */
export async function findIssuers(dataDirectory: string): Promise<readonly Issuer[]> {
  const loaded = await readAuthorities(dataDirectory);
  return loaded.map(({ issuer }) => issuer).filter(({ role }) => role === 'issuing');
}

/** One issuing CA by name; NOT_FOUND where there is none. */
export async function loadIssuer(dataDirectory: string, name: string): Promise<Issuer> {
  const found = name === rootName ? undefined : await findAuthority(dataDirectory, name);
  if (found !== undefined) return found;
  throw new CertmillError('NOT_FOUND', `there is no issuer '${name.slice(0, 80)}' in this folder`);
}

/** The root that `createHierarchy` made; undefined where only issuers were imported. */
export async function loadRoot(dataDirectory: string): Promise<Issuer | undefined> {
  return findAuthority(dataDirectory, rootName);
}

/** One CA of any role; undefined where there is none of the name. */
export async function findAuthority(
  dataDirectory: string,
  name: string,
): Promise<Issuer | undefined> {
  return readAuthority(dataDirectory, name, await serialKeyIdOf(dataDirectory));
}

/** The same at once: of a folder with thousands of CAs, the one and those above it are read. */
export function readAuthority(
  dataDirectory: string,
  name: string,
  serialKeyId: number | undefined,
  crls = new ImportedCrlFolder(dataDirectory),
  cas = new CasByKey(dataDirectory),
): Issuer | undefined {
  const reader = new AuthorityReader(dataDirectory, serialKeyId, crls, cas);
  return reader.has(name) ? reader.read(name).issuer : undefined;
}

/**
 * The same, its chain verified unless that was done when it was written. Throws FAULT_STORE_CORRUPT where its folder
 * or one above is damaged, or its chain is none.
 */
export function readVerifiedAuthority(
  dataDirectory: string,
  name: string,
  serialKeyId: number | undefined,
  crls: ImportedCrlFolder,
  cas: CasByKey,
): Issuer | undefined {
  const reader = new AuthorityReader(dataDirectory, serialKeyId, crls, cas);
  return reader.has(name) ? verified(reader.read(name)) : undefined;
}

/** The same, and undefined too where that throws: for folders that appear while somebody works. */
export function readWholeAuthority(
  ...asked: Parameters<typeof readVerifiedAuthority>
): Issuer | undefined {
  try {
    return readVerifiedAuthority(...asked);
  } catch (error) {
    if (isCertmillError(error) && error.code === 'FAULT_STORE_CORRUPT') return undefined;
    throw error;
  }
}

/** What a data folder knows of a chain. */
export interface Standing {
  /** The CA that has signed the first certificate. */
  readonly parent?: Issuer;
  /** The CA of the first certificate, or one above it, is revoked. */
  readonly revoked?: RevokedCa;
}

/** Of a chain that a CA may get. FAULT_STORE_CORRUPT where a CA of it in the folder cannot be read. */
export function standingOf(
  dataDirectory: string,
  name: string,
  chain: readonly CaCertificate[],
  crls = new ImportedCrlFolder(dataDirectory),
  cas = new CasByKey(dataDirectory),
): Standing {
  return new AuthorityReader(dataDirectory, undefined, crls, cas).standingOf(name, chain);
}

/** Milliseconds left until the issuer's certificate ends; 0 once it has. */
export function lifeLeftMs(issuer: Issuer, nowMs: number): number {
  return Math.max(0, issuer.notAfterMs - nowMs);
}

/** Whether the CA can sign here: its key is in its folder, or in a token that the folder names. */
export function isKeyAtHand({ hasKey, slot }: Pick<Issuer, 'hasKey' | 'slot'>): boolean {
  return hasKey || slot !== undefined;
}

/**
 * Why nothing may be signed with a CA at the time, to stand behind its name; undefined where it may.
 * @param ca of which a process that serves it may not know whether it is revoked.
 */
export function refusalOf(
  ca: Pick<Issuer, 'notBeforeMs' | 'notAfterMs' | 'revoked'> & {
    readonly isUnjudged?: boolean;
    readonly isKeyAway?: boolean;
  },
  nowMs: number,
): string | undefined {
  const { revoked, isUnjudged, isKeyAway, notBeforeMs, notAfterMs } = ca;
  if (revoked !== undefined) return refusalForRevocation(revoked);
  if (isUnjudged === true) return 'cannot be judged now: a CA above it, or a CRL, cannot be read';
  if (nowMs > notAfterMs) return `expired at ${new Date(notAfterMs).toISOString()}`;
  if (nowMs < notBeforeMs) {
    return `is not valid before ${new Date(notBeforeMs).toISOString()}`;
  }
  if (isKeyAway === true) return 'has its key elsewhere';
  return undefined;
}

/** The same of a CA that is revoked, or stands below one. */
export function refusalForRevocation({ subject, reason, revokedAtMs }: RevokedCa): string {
  return `is revoked: ${subject}, ${reason}, at ${new Date(revokedAtMs).toISOString()}`;
}

interface ReadFolder {
  readonly name: string;
  readonly paths: IssuerPaths;
  readonly files: CaFiles;
  readonly chain: readonly CaCertificate[];
  readonly ca: CaCertificate;
}

/** What a folder of a CA has recorded as revoked. */
interface FolderRecord extends Revoker {
  readonly name: string;
}

interface LoadedAuthority {
  readonly issuer: Issuer;
  readonly files: CaFiles;
}

function verified({ issuer, files }: LoadedAuthority): Issuer {
  const defect = files.isChecked ? undefined : chainDefectOf(issuer);
  if (defect !== undefined) throw damagedCa(issuer.name, `${issuer.chainFile}: ${defect}`);
  return issuer;
}

/** Folders that are read before others get a turn: some 10 ms. */
const foldersPerTurn = 100;

async function readAuthorities(dataDirectory: string): Promise<readonly LoadedAuthority[]> {
  const names = await readCaFolder(dataDirectory);
  const reader = new AuthorityReader(dataDirectory, await serialKeyIdOf(dataDirectory));
  for (const [index, name] of names.entries()) {
    if (index % foldersPerTurn === foldersPerTurn - 1) await nextTurn();
    reader.open(name);
  }
  const loaded: LoadedAuthority[] = [];
  for (const [index, name] of names.entries()) {
    if (index % foldersPerTurn === foldersPerTurn - 1) await nextTurn();
    loaded.push(reader.read(name));
  }
  return loaded;
}

/** Names of the CAs in the order of `loadAuthorities`. */
async function readCaFolder(dataDirectory: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(caDirectoryOf(dataDirectory), { withFileTypes: true });
    const names = entries
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
      .map((entry) => entry.name)
      .sort();
    return names.includes(rootName)
      ? [rootName, ...names.filter((name) => name !== rootName)]
      : names;
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT')) return [];
    throw cause;
  }
}

async function serialKeyIdOf(dataDirectory: string): Promise<number | undefined> {
  return (await findSerialKeys(dataDirectory))?.current.id;
}

/** Reads CAs of one folder, and what many have in common, such as the root, once. */
class AuthorityReader {
  private readonly dataDirectory: string;
  private readonly serialKeyId: number | undefined;
  private readonly certificates = new CaCertificateReader();
  private readonly folders = new Map<string, ReadFolder>();
  private readonly loaded = new Map<string, LoadedAuthority>();
  private readonly crls: ImportedCrlFolder;
  private readonly cas: CasByKey;
  private imported?: ImportedCrls;
  /** By the certificate of a CA above: most chains share theirs. */
  private readonly signers = new Map<CaCertificate, ReadFolder | undefined>();
  /** By the name of a CA: the folders of the same by other names. */
  private readonly copies = new Map<string, readonly FolderRecord[]>();
  /** By the name of the CA that has revoked them. */
  private readonly lostKeys = new Map<string, ReadonlyMap<string, RevokedCa>>();

  constructor(
    dataDirectory: string,
    serialKeyId: number | undefined,
    crls = new ImportedCrlFolder(dataDirectory),
    cas = new CasByKey(dataDirectory),
  ) {
    this.dataDirectory = dataDirectory;
    this.crls = crls;
    this.cas = cas;
    this.serialKeyId = serialKeyId;
  }

  has(name: string): boolean {
    if (this.folders.has(name)) return true;
    if (!isName(name)) return false;
    return existsSync(issuerPathsOf(this.dataDirectory, name).directory);
  }

  /** What lies in the folder of a CA, whatever is above it. */
  open(name: string): ReadFolder {
    const known = this.folders.get(name);
    if (known !== undefined) return known;
    const paths = issuerPathsOf(this.dataDirectory, name);
    const files = readCaFiles(paths, name);
    const chain = this.chainOf(files, paths, name);
    const [ca] = chain;
    if (ca === undefined) throw damagedCa(name, `${paths.chainFile} holds no certificate`);
    const folder = { name, paths, files, chain, ca };
    this.folders.set(name, folder);
    this.cas.add(name, ca);
    return folder;
  }

  /** @param below the CAs on the way to it: two that have certified each other stand above each other. */
  read(name: string, below: readonly string[] = []): LoadedAuthority {
    const known = this.loaded.get(name);
    if (known !== undefined) return known;
    const loaded = this.load(name, below);
    this.loaded.set(name, loaded);
    return loaded;
  }

  /** @param name of the CA that has the chain, or may get it. */
  standingOf(name: string, chain: readonly CaCertificate[]): Standing {
    const signers = this.signersOf(chain, undefined);
    const revoked = this.revocationOf(name, chain, signers, [name]);
    const [parent] = signers;
    return {
      ...(parent === undefined ? {} : { parent: this.read(parent.name).issuer }),
      ...(revoked === undefined ? {} : { revoked }),
    };
  }

  private load(name: string, below: readonly string[]): LoadedAuthority {
    const folder = this.open(name);
    const { paths, files, chain, ca } = folder;
    const { description, status, retirement } = files;
    const role = name === rootName ? 'root' : (description?.role ?? 'issuing');
    const signers = this.signersOf(chain, description?.parent);
    const parent = signers[0]?.name;
    const under = [...below, name];
    const revoked = this.revocationOf(name, chain, signers, under);
    const issuer: Issuer = {
      ...paths,
      name,
      role,
      chainDer: chain.map(({ der }) => der),
      keyType: ca.keyType,
      signatureAlgorithm: signatureAlgorithmFor(ca.keyType),
      subjectDer: ca.subjectDer,
      subject: ca.subject,
      spkiDer: ca.spkiDer,
      keyIdentifier: ca.keyIdentifier,
      serialNumberHex: Buffer.from(ca.serialNumber).toString('hex'),
      notBeforeMs: ca.notBeforeMs,
      notAfterMs: ca.notAfterMs,
      ...limitsOfChain(chain.map(({ limits }) => limits)),
      hasKey: files.hasKey,
      ...(files.slot === undefined ? {} : { slot: files.slot }),
      ...(status === undefined ? {} : { status }),
      ...(parent === undefined ? {} : { parent }),
      above: this.namesAbove(signers, under),
      ...(description?.rekeys === undefined ? {} : { rekeys: description.rekeys }),
      ...(description?.order === undefined ? {} : { order: description.order }),
      ...(retirement === undefined ? {} : { retirement }),
      ...(revoked === undefined ? {} : { revoked }),
      // An issuing CA signs no CAs.
      revokedCas: role === 'issuing' ? files.revokedCas : this.revokedBy(folder),
      serialKeyId: this.serialKeyId,
    };
    return { issuer, files };
  }

  private importedCrls(): ImportedCrls {
    return (this.imported ??= this.crls.look());
  }

  /**
   * For each certificate of a chain but the last the CA of the folder that has signed it. What a folder says of
   * itself is where to look first: its chain decides.
   */
  private signersOf(
    chain: readonly CaCertificate[],
    described: string | undefined,
  ): readonly (ReadFolder | undefined)[] {
    let likely = described;
    return chain.slice(1).map((above) => {
      const signer = this.signerOf(above, likely);
      likely = signer?.files.description?.parent;
      return signer;
    });
  }

  private signerOf(above: CaCertificate, likely: string | undefined): ReadFolder | undefined {
    if (this.signers.has(above)) return this.signers.get(above);
    // Nearly all are where they are looked for, and none of the other folders need be read.
    const found =
      this.ifSame(likely, above) ??
      this.ifSame(rootName, above) ??
      this.cas
        .namesOf(above)
        .map((name) => this.ifSame(name, above))
        .find((folder) => folder !== undefined);
    this.signers.set(above, found);
    return found;
  }

  private ifSame(name: string | undefined, ca: CaCertificate): ReadFolder | undefined {
    if (name === undefined || !this.has(name)) return undefined;
    const folder = this.open(name);
    return isSameCa(folder.ca, ca) ? folder : undefined;
  }

  /** Copies of the folder of a CA: what was recorded there counts too. */
  private copiesOf({ name, ca }: ReadFolder): readonly FolderRecord[] {
    const known = this.copies.get(name);
    if (known !== undefined) return known;
    const copies = this.cas
      .namesOf(ca)
      .filter((other) => other !== name)
      .map((other) => {
        const { directory } = issuerPathsOf(this.dataDirectory, other);
        const revokedCas = recordIn(join(directory, revokedCasFileName), other);
        return { name: other, directory, revokedCas };
      });
    this.copies.set(name, copies);
    return copies;
  }

  /** By its own record, and by those of its copies. */
  private revokedBy(folder: ReadFolder): readonly RevokedCa[] {
    const revoked = new Map<string, RevokedCa>();
    for (const { revokedCas } of [folder.files, ...this.copiesOf(folder)]) {
      for (const entry of revokedCas) {
        const before = revoked.get(entry.serialNumberHex);
        const merged = before === undefined ? entry : mergedEntry(before, entry);
        revoked.set(entry.serialNumberHex, merged);
      }
    }
    return [...revoked.values()];
  }

  private namesAbove(
    signers: readonly (ReadFolder | undefined)[],
    below: readonly string[],
  ): readonly string[] {
    const names = signers.flatMap((signer) => {
      if (signer === undefined) return [];
      const copies = this.copiesOf(signer).map(({ name }) => name);
      if (below.includes(signer.name)) return [signer.name, ...copies];
      return [signer.name, ...copies, ...this.read(signer.name, below).issuer.above];
    });
    return [...new Set(names)];
  }

  /** Of the first certificate of a chain, or of the nearest one above it that is revoked. */
  private revocationOf(
    name: string,
    chain: readonly CaCertificate[],
    signers: readonly (ReadFolder | undefined)[],
    below: readonly string[],
  ): RevokedCa | undefined {
    for (const [index, signer] of signers.entries()) {
      const certificate = chain[index];
      if (certificate === undefined || signer === undefined) continue;
      const { paths, files } = signer;
      const own = { name: signer.name, directory: paths.directory, revokedCas: files.revokedCas };
      const found =
        [own, ...this.copiesOf(signer)]
          .map((record) => this.recordedIn(record, certificate))
          .find((entry) => entry !== undefined) ??
        (below.includes(signer.name) ? undefined : this.read(signer.name, below).issuer.revoked);
      if (found !== undefined) return found;
    }
    return this.listed(name, chain, signers[0]?.paths);
  }

  /** The same by the CRLs that were taken in. Throws FAULT_STORE_CORRUPT where one that is damaged may say so. */
  private listed(
    name: string,
    chain: readonly CaCertificate[],
    above: IssuerPaths | undefined,
  ): RevokedCa | undefined {
    const { crls, damaged } = this.importedCrls();
    const found = crls.length === 0 ? undefined : this.listedIn(crls, name, chain, above);
    if (found !== undefined) return found;
    const isKnown = (ca: CaIdentity): boolean => this.cas.namesOf(ca).length > 0;
    const hiding = damaged.find((crl) => mayRevoke(crl, chain, isKnown));
    if (hiding !== undefined) throw damagedCa(name, hiding.error.message, hiding.error);
    return undefined;
  }

  private listedIn(
    crls: readonly ImportedCrl[],
    name: string,
    chain: readonly CaCertificate[],
    above: IssuerPaths | undefined,
  ): RevokedCa | undefined {
    const [own] = chain;
    if (own === undefined) return undefined;
    // Another folder of the same CA says as much as can be read of it: its damage is told where it is asked for.
    const twins = this.cas
      .namesOf(own)
      .filter((other) => other !== name)
      .map((other) => issuerPathsOf(this.dataDirectory, other));
    const { directory } = issuerPathsOf(this.dataDirectory, name);
    const folders = [directory, ...twins.map((twin) => twin.directory)].flatMap((place) => [
      join(place, formerFolderName),
      join(place, alternativeFolderName),
    ]);
    if (above !== undefined) folders.push(join(above.directory, issuedFolderName));
    return revocationIn(
      chain,
      crls,
      folders,
      twins.flatMap(({ chainFile }) => {
        const ca = firstCaCertificateIn(chainFile);
        return ca !== undefined && isSameCa(ca, own) ? [ca] : [];
      }),
    );
  }

  private recordedIn(record: FolderRecord, ca: CaCertificate): RevokedCa | undefined {
    const { revokedCas } = record;
    if (revokedCas.length === 0) return undefined;
    const serialNumberHex = Buffer.from(ca.serialNumber).toString('hex');
    return (
      revokedCas.find((revoked) => revoked.serialNumberHex === serialNumberHex) ??
      this.lostKeysOf(record).get(keySha256Of(ca.spkiDer))
    );
  }

  private lostKeysOf(parent: FolderRecord): ReadonlyMap<string, RevokedCa> {
    const lost = this.lostKeys.get(parent.name) ?? lostKeysOf(parent);
    this.lostKeys.set(parent.name, lost);
    return lost;
  }

  private chainOf(
    { chainPem }: CaFiles,
    { chainFile }: IssuerPaths,
    name: string,
  ): readonly CaCertificate[] {
    try {
      return this.certificates.read(chainPem, chainFile);
    } catch (cause) {
      throw damagedCa(name, cause instanceof CertmillError ? cause.message : 'not PEM', cause);
    }
  }
}
