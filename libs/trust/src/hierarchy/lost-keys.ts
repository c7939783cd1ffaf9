import { hash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { usualSpkiOf } from '../keys/key-form.js';
import { type CaCertificate, certificatesInPem, readCaCertificate } from './ca-certificate.js';
import { issuedFolderName } from './issuer-paths.js';
import { isKeyLost, type RevokedCa } from './revoked-cas.js';

/**
 * SHA-256 of a SubjectPublicKeyInfo in its usual form, hex: what is kept of a key whose certificates were revoked.
 * A key in another form does not get past it.
 */
export function keySha256Of(spkiDer: Uint8Array): string {
  return hash('sha256', usualSpkiOf(spkiDer), 'hex');
}

/** A CA, and what it has revoked. */
export interface Revoker {
  readonly directory: string;
  readonly revokedCas: readonly RevokedCa[];
}

/**
 * The key of a certificate that a CA has revoked because it is lost, as `keySha256Of`; undefined for any other
 * reason, and where nobody knows.
 */
export function lostKeyOf(entry: RevokedCa, { directory }: Revoker): string | undefined {
  if (!isKeyLost(entry)) return undefined;
  if (entry.keySha256 !== undefined) return entry.keySha256;
  const found = certificateBySerial([join(directory, issuedFolderName)], entry.serialNumberHex);
  return found && keySha256Of(found.spkiDer);
}

/** A CA, with what was revoked of it or of one above it. */
export interface RevocableCa {
  readonly spkiDer: Uint8Array;
  readonly serialNumberHex: string;
  readonly revoked?: RevokedCa;
}

/**
 * What says that a CA itself is revoked, over its key, and not one above it. A certificate of it that is revoked while
 * nothing is said of its key was retired alone, in force or not: the next one is good, as every verifier sees it.
 */
export function ownRevocationOf({
  spkiDer,
  serialNumberHex,
  revoked,
}: RevocableCa): RevokedCa | undefined {
  if (revoked === undefined) return undefined;
  const isLost = isKeyLost(revoked) && revoked.serialNumberHex === serialNumberHex;
  return isLost || revoked.keySha256 === keySha256Of(spkiDer) ? revoked : undefined;
}

/** The keys that a CA has revoked certificates over because they are lost, with the first that says so. */
export function lostKeysOf(revoker: Revoker): ReadonlyMap<string, RevokedCa> {
  const lost = new Map<string, RevokedCa>();
  for (const entry of revoker.revokedCas) {
    const key = lostKeyOf(entry, revoker);
    if (key !== undefined && !lost.has(key)) lost.set(key, { ...entry, keySha256: key });
  }
  return lost;
}

/** What a CA has revoked, and each other certificate over a lost key that it has signed: none of them is good. */
export async function revokedWithLostKeys(revoker: Revoker): Promise<readonly RevokedCa[]> {
  const { directory, revokedCas } = revoker;
  const lost = lostKeysOf(revoker);
  if (lost.size === 0) return revokedCas;
  const listed = new Set(revokedCas.map(({ serialNumberHex }) => serialNumberHex));
  const more: RevokedCa[] = [];
  const folder = join(directory, issuedFolderName);
  for (const [index, serialNumberHex] of serialNumbersIn(folder).entries()) {
    if (index % filesPerTurn === filesPerTurn - 1) await nextTurn();
    const found = listed.has(serialNumberHex)
      ? undefined
      : certificateBySerial([folder], serialNumberHex);
    const entry = found && lost.get(keySha256Of(found.spkiDer));
    if (found === undefined || entry === undefined) continue;
    more.push({ ...entry, serialNumberHex, subject: found.subject, notAfterMs: found.notAfterMs });
  }
  return [...revokedCas, ...more];
}

/** Files that are read before others get a turn: some 10 ms. */
const filesPerTurn = 200;

function serialNumbersIn(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^[0-9a-f]+\.pem$/.test(name))
    .map((name) => name.slice(0, -'.pem'.length));
}

/** The certificate of a serial number, where a folder keeps it by that; undefined where none does, or it cannot be read. */
export function certificateBySerial(
  folders: readonly string[],
  serialNumberHex: string,
): CaCertificate | undefined {
  for (const folder of folders) {
    const found = firstCaCertificateIn(join(folder, `${serialNumberHex}.pem`));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Undefined where the file is not there or cannot be read: then it says nothing of a key. */
export function firstCaCertificateIn(file: string): CaCertificate | undefined {
  if (!existsSync(file)) return undefined;
  try {
    const [der] = certificatesInPem(readFileSync(file, 'utf8'));
    return der && readCaCertificate(der, file);
  } catch {
    return undefined;
  }
}
