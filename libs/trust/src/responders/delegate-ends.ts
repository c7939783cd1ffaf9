import { X509Certificate } from 'node:crypto';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pemEncode } from '@certmill/der';
import type { DelegateEnd } from '@certmill/domain';
import { isErrorCode, writeFileAtomically } from '../atomic-file.js';
import type { IssuerCatalogue } from '../hierarchy/issuer-catalogue.js';
import { issuerPathsOf } from '../hierarchy/issuer-paths.js';

/** id-kp-OCSPSigning (RFC 6960 4.2.2.2). */
const ocspSigning = '1.3.6.1.5.5.7.3.9';
const publicFileMode = 0o644;

/** Where copies of the delegates' certificates lie that were made with an issuer's key at hand. */
function delegatesDirectoryOf(dataDirectory: string, issuer: string): string {
  return join(issuerPathsOf(dataDirectory, issuer).directory, 'delegates');
}

/** Keeps a delegate's certificate with its issuer, so that its end is known there. */
export async function keepDelegate(
  dataDirectory: string,
  issuer: string,
  certificateDer: Uint8Array,
): Promise<void> {
  const directory = delegatesDirectoryOf(dataDirectory, issuer);
  await mkdir(directory, { recursive: true });
  const { serialNumber } = new X509Certificate(certificateDer);
  const file = join(directory, `${serialNumber.toLowerCase()}.pem`);
  await writeFileAtomically(file, pemEncode('CERTIFICATE', certificateDer), publicFileMode);
}

export interface DelegatePlaces {
  /** With `ca/<name>/`. */
  readonly dataDirectory: string;
  /** Of responders that renew themselves; absent where this process is not given it. */
  readonly responders?: string;
  /** Whose are made and renewed there: those of CAs whose keys are at hand. */
  readonly certifies: (issuer: string) => boolean;
}

/**
 * The delegates of a CA that are in force or were last, of each kind and subject the one that lasts longest. What
 * is not there, is damaged or cannot be read here is left out.
 */
async function delegateEndsOf(
  { dataDirectory, responders, certifies }: DelegatePlaces,
  issuer: string,
): Promise<readonly DelegateEnd[]> {
  const directory = delegatesDirectoryOf(dataDirectory, issuer);
  const kept = await Promise.all(
    (await namesIn(directory)).map((name) => endIn(join(directory, name), issuer, false)),
  );
  const own =
    responders === undefined
      ? []
      : [await endIn(join(responders, `${issuer}.pem`), issuer, certifies(issuer))];
  const last = new Map<string, DelegateEnd>();
  for (const end of [...own, ...kept]) {
    if (end === undefined) continue;
    const key = `${end.kind} ${end.subject}`;
    if ((last.get(key)?.notAfterMs ?? -Infinity) < end.notAfterMs) last.set(key, end);
  }
  return [...last.values()];
}

/** Those of issuers and of all CAs above the ones of a catalogue. */
export function delegateEnds({
  names,
  ...places
}: DelegatePlaces & { readonly names: Pick<IssuerCatalogue, 'namesAbove'> }) {
  return async (issuers: readonly string[]): Promise<readonly DelegateEnd[]> => {
    const ends: DelegateEnd[] = [];
    for (const name of new Set([...issuers, ...names.namesAbove()])) {
      ends.push(...(await delegateEndsOf(places, name)));
    }
    return ends;
  };
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).filter((name) => name.endsWith('.pem'));
  } catch (error) {
    if (isOutOfReach(error)) return [];
    throw error;
  }
}

async function endIn(
  file: string,
  issuer: string,
  renewsItself: boolean,
): Promise<DelegateEnd | undefined> {
  const certificate = await certificateIn(file);
  if (certificate === undefined) return undefined;
  const isResponder = (certificate.keyUsage as readonly string[] | undefined)?.includes(
    ocspSigning,
  );
  return {
    kind: isResponder === true ? 'ocsp-responder' : 'crl-signer',
    issuer,
    subject: certificate.subject.replaceAll('\n', ', '),
    serialNumber: certificate.serialNumber.toLowerCase(),
    notAfterMs: certificate.validToDate.getTime(),
    renewsItself,
  };
}

/** The first one behind whatever else there is: a responder's key stands before it, encrypted. */
async function certificateIn(file: string): Promise<X509Certificate | undefined> {
  try {
    const text = await readFile(file, 'utf8');
    return new X509Certificate(text.slice(Math.max(0, text.indexOf('-----BEGIN CERTIFICATE'))));
  } catch (error) {
    if (isOutOfReach(error) || !(error instanceof Error && 'syscall' in error)) return undefined;
    throw error;
  }
}

function isOutOfReach(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM'].some((code) => isErrorCode(error, code));
}
