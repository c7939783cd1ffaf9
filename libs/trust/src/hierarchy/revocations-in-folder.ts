import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isName } from '@certmill/domain';
import { createCertificateWalk, walkCertificate } from '@certmill/der';
import { isErrorCode } from '../atomic-file.js';
import { nameText } from '../inspect/view.js';
import { isSameBytes } from '../path/path-certificate.js';
import { certificatesInPem } from './ca-certificate.js';
import { damagedCa } from './ca-files.js';
import { isSameName } from './distinguished-name.js';
import { ImportedCrlFolder } from './imported-crls.js';
import {
  alternativeFolderName,
  caDirectoryOf,
  formerFolderName,
  issuedFolderName,
  issuerPathsOf,
} from './issuer-paths.js';
import { keySha256Of } from './lost-keys.js';
import {
  isKeyLost,
  readRevokedCas,
  type RevokedCa,
  revokedBeforeFileName,
  revokedCasFileName,
} from './revoked-cas.js';

/** A revocation that a folder knows of, and over which key it is. */
export interface KeyRevocation {
  /** For people: who has revoked it. */
  readonly by: string;
  readonly entry: RevokedCa & Required<Pick<RevokedCa, 'keySha256'>>;
}

/** A certificate whose key is lost, and nobody has written down which key that is. */
interface Untold {
  readonly by: string;
  readonly issuerDer: Uint8Array;
  readonly entry: Pick<RevokedCa, 'serialNumberHex' | 'reason' | 'revokedAtMs'>;
}

/**
 * The keys that a data folder knows to be lost, by `keySha256Of`: those that its CAs have recorded, those that came from
 * the key before of a root, and those of certificates of the folder that records and imported CRLs name by serial
 * number alone. Each file is read once, and certificates where such numbers are there only. FAULT_STORE_CORRUPT where a
 * record or a CRL is damaged; a certificate that cannot be read says nothing of a key.
 */
export function lostKeysIn(dataDirectory: string): ReadonlyMap<string, KeyRevocation> {
  const lost = new Map<string, KeyRevocation>();
  const untold: Untold[] = [];
  const take = (by: string, entry: RevokedCa, issuerDer: Uint8Array | undefined): void => {
    if (!isKeyLost(entry)) return;
    const { keySha256 } = entry;
    if (keySha256 === undefined) {
      if (issuerDer !== undefined) untold.push({ by, issuerDer, entry });
    } else if (!lost.has(keySha256)) lost.set(keySha256, { by, entry: { ...entry, keySha256 } });
  };
  for (const { name, subjectDer, own, before } of revokersIn(dataDirectory)) {
    for (const entry of own) take(`CA '${name}'`, entry, subjectDer);
    for (const entry of before) take(keyBeforeOf(name), entry, undefined);
  }
  for (const { ca, signer, losses } of new ImportedCrlFolder(dataDirectory).all()) {
    for (const [serialNumberHex, listing] of losses.listed) {
      const issuerDer = signer.certificate.subject.der;
      untold.push({ by: `CA '${ca}'`, issuerDer, entry: { ...listing, serialNumberHex } });
    }
  }
  for (const found of toldByCertificates(dataDirectory, untold)) {
    if (!lost.has(found.entry.keySha256)) lost.set(found.entry.keySha256, found);
  }
  return lost;
}

/**
 * The keys that a CA of a data folder signs nothing over, for whatever reason: what it has revoked, and what its keys
 * before have, which have its name. One certificate that was retired alone has no key here.
 */
export function keysRevokedUnder(
  dataDirectory: string,
  subjectDer: Uint8Array,
): ReadonlyMap<string, KeyRevocation> {
  const revoked = new Map<string, KeyRevocation>();
  for (const { name, subjectDer: of, own, before } of revokersIn(dataDirectory)) {
    if (of === undefined || !isSameName(of, subjectDer)) continue;
    const told = [
      ...own.map((entry) => ({ by: `CA '${name}'`, entry })),
      ...before.map((entry) => ({ by: keyBeforeOf(name), entry })),
    ];
    for (const { by, entry } of told) {
      const { keySha256 } = entry;
      if (keySha256 === undefined || revoked.has(keySha256)) continue;
      revoked.set(keySha256, { by, entry: { ...entry, keySha256 } });
    }
  }
  return revoked;
}

function keyBeforeOf(name: string): string {
  return `the key before of CA '${name}'`;
}

/** A CA with something revoked. */
interface FolderRevoker {
  readonly name: string;
  /** Undefined where its chain cannot be read. */
  readonly subjectDer: Uint8Array | undefined;
  readonly own: readonly RevokedCa[];
  readonly before: readonly RevokedCa[];
}

function revokersIn(dataDirectory: string): readonly FolderRevoker[] {
  return namesIn(dataDirectory).flatMap((name) => {
    const { directory, chainFile } = issuerPathsOf(dataDirectory, name);
    const own = recordIn(join(directory, revokedCasFileName), name);
    const before = recordIn(join(directory, revokedBeforeFileName), name);
    if (own.length + before.length === 0) return [];
    const [ca] = identitiesIn(chainFile);
    return [{ name, subjectDer: ca?.subjectDer, own, before }];
  });
}

/** What a file of revoked CAs holds; nothing where it is not there. FAULT_STORE_CORRUPT. */
export function recordIn(file: string, name: string): readonly RevokedCa[] {
  try {
    return readRevokedCas(readFileSync(file, 'utf8'));
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT') || isErrorCode(cause, 'ENOTDIR')) return [];
    throw damagedCa(name, `${file} cannot be read or is damaged`, cause);
  }
}

/** What tells one certificate from all others, and its key. */
interface CertificateIdentity {
  readonly issuerDer: Uint8Array;
  readonly subjectDer: Uint8Array;
  readonly serialNumberHex: string;
  readonly spkiDer: Uint8Array;
  readonly notAfterMs: number;
}

function* toldByCertificates(
  dataDirectory: string,
  untold: readonly Untold[],
): Generator<KeyRevocation> {
  if (untold.length === 0) return;
  const bySerial = Map.groupBy(untold, ({ entry }) => entry.serialNumberHex);
  for (const one of certificatesIn(dataDirectory, (serial) => bySerial.has(serial))) {
    for (const { by, issuerDer, entry } of bySerial.get(one.serialNumberHex) ?? []) {
      if (!isSameBytes(issuerDer, one.issuerDer)) continue;
      const { serialNumberHex, notAfterMs } = one;
      const subject = nameText(one.subjectDer);
      const keySha256 = keySha256Of(one.spkiDer);
      const { reason, revokedAtMs } = entry;
      const told = { serialNumberHex, subject, reason, revokedAtMs, notAfterMs, keySha256 };
      yield { by, entry: told };
    }
  }
}

/** Those of every chain, and of the folders that keep them by serial number, where the number is asked for. */
function* certificatesIn(
  dataDirectory: string,
  isAskedFor: (serialNumberHex: string) => boolean,
): Generator<CertificateIdentity> {
  for (const name of namesIn(dataDirectory)) {
    const { directory, chainFile } = issuerPathsOf(dataDirectory, name);
    yield* identitiesIn(chainFile);
    for (const folder of [formerFolderName, alternativeFolderName, issuedFolderName]) {
      for (const file of filesIn(join(directory, folder))) {
        const [, serialNumberHex = ''] = /^([0-9a-f]+)\.pem$/.exec(file) ?? [];
        if (isAskedFor(serialNumberHex)) yield* identitiesIn(join(directory, folder, file));
      }
    }
  }
}

/** None where the file cannot be read, or is not of certificates. */
function identitiesIn(file: string): readonly CertificateIdentity[] {
  try {
    return certificatesInPem(readFileSync(file, 'utf8')).flatMap((der) => {
      const walk = createCertificateWalk();
      if (!walkCertificate(der, 0, der.length, walk)) return [];
      const serialNumber = der.subarray(walk.serialNumberStart, walk.serialNumberEnd);
      return [
        {
          issuerDer: der.subarray(walk.issuerStart, walk.issuerEnd),
          subjectDer: der.subarray(walk.subjectStart, walk.subjectEnd),
          serialNumberHex: Buffer.from(serialNumber).toString('hex'),
          spkiDer: der.subarray(walk.subjectPKInfoStart, walk.subjectPKInfoEnd),
          notAfterMs: walk.notAfterSeconds * 1_000,
        },
      ];
    });
  } catch {
    return [];
  }
}

function namesIn(dataDirectory: string): readonly string[] {
  return filesIn(caDirectoryOf(dataDirectory)).filter(isName);
}

function filesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT') || isErrorCode(cause, 'ENOTDIR')) return [];
    throw cause;
  }
}
