import { X509Certificate } from 'node:crypto';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pemEncode } from '@certmill/der';
import { type DelegateEnd, isCertmillError } from '@certmill/domain';
import type { Clock } from '@certmill/ports';
import { isErrorCode, writeFileAtomically } from '../atomic-file.js';
import { delegatesFolderName, issuerPathsOf } from '../hierarchy/issuer-paths.js';

/** id-kp-OCSPSigning (RFC 6960 4.2.2.2). */
const ocspSigning = '1.3.6.1.5.5.7.3.9';
const publicFileMode = 0o644;

/** Where copies of the delegates' certificates lie that were made with an issuer's key at hand. */
function delegatesDirectoryOf(dataDirectory: string, issuer: string): string {
  return join(issuerPathsOf(dataDirectory, issuer).directory, delegatesFolderName);
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
  readonly names: {
    readonly all: readonly { readonly name: string }[];
    namesAbove(): readonly string[];
  };
  /** As it is now; undefined where nobody knows. */
  readonly caOf: (name: string) => DelegatingCa | undefined;
  readonly clock: Clock;
}

/** Of a CA that is over nobody is to speak any more. */
export interface DelegatingCa {
  readonly notAfterMs: number;
  readonly revoked?: object;
}

type Delegate = Omit<DelegateEnd, 'toReplace'>;

/** Who speaks for the CAs of a folder, and until when. What is damaged or cannot be read here is left out. */
export class DelegateEnds {
  readonly #places: DelegatePlaces;

  /** What is damaged hides no delegate: of a CA that cannot be judged now nothing is known. */
  constructor(places: DelegatePlaces) {
    const { certifies, caOf } = places;
    this.#places = {
      ...places,
      certifies: (issuer) => unlessDamaged(() => certifies(issuer)) ?? false,
      caOf: (name) => unlessDamaged(() => caOf(name)),
    };
  }

  /** Those of issuers and of all CAs above the ones of the catalogue, that are in use, were last or are to come. */
  async list(issuers: readonly string[]): Promise<readonly DelegateEnd[]> {
    const ends: DelegateEnd[] = [];
    for (const name of new Set([...issuers, ...this.#places.names.namesAbove()])) {
      const own = this.#places.certifies(name) ? await this.#ownOf(name) : undefined;
      if (own !== undefined) ends.push({ ...own, toReplace: false });
      ends.push(...(await this.#byPeople(name)));
    }
    return ends;
  }

  /** The first end, in Unix milliseconds, of those that people are to replace, of all CAs of the catalogue. */
  async firstEndMs(): Promise<number | undefined> {
    const { names } = this.#places;
    let firstMs = Infinity;
    for (const name of new Set([
      ...names.all.map((issuer) => issuer.name),
      ...names.namesAbove(),
    ])) {
      for (const { toReplace, notAfterMs } of await this.#byPeople(name)) {
        if (toReplace) firstMs = Math.min(firstMs, notAfterMs);
      }
    }
    return firstMs === Infinity ? undefined : firstMs;
  }

  async #byPeople(issuer: string): Promise<readonly DelegateEnd[]> {
    const { dataDirectory, certifies, caOf, clock } = this.#places;
    const directory = delegatesDirectoryOf(dataDirectory, issuer);
    const copies = await Promise.all(
      (await namesIn(directory)).map((name) => delegateIn(join(directory, name), issuer, false)),
    );
    const own = certifies(issuer) ? undefined : await this.#ownOf(issuer);
    const made = copies
      .filter((copy) => copy !== undefined)
      .filter(({ serialNumber }) => serialNumber !== own?.serialNumber);
    const all = own === undefined ? made : [own, ...made];
    if (all.length === 0) return [];
    const nowMs = clock.nowMs();
    const ca = caOf(issuer);
    return all
      .filter((one) => one === own || !isReplaced(one, all, nowMs))
      .map((one) => ({ ...one, toReplace: one.notBeforeMs <= nowMs && outlives(ca, one, nowMs) }));
  }

  /** The one that the services here use, whoever makes it. */
  async #ownOf(issuer: string): Promise<Delegate | undefined> {
    const { responders, certifies } = this.#places;
    if (responders === undefined) return undefined;
    return delegateIn(join(responders, `${issuer}.pem`), issuer, certifies(issuer));
  }
}

/**
 * Whether another one has begun that lasts longer. Which of them is in use elsewhere nobody knows here: one of another
 * subject may work beside it, and takes its place only once it has ended.
 */
function isReplaced(one: Delegate, all: readonly Delegate[], nowMs: number): boolean {
  return all.some(
    (other) =>
      other.kind === one.kind &&
      other.notBeforeMs <= nowMs &&
      lastsLonger(other, one) &&
      (other.subject === one.subject || one.notAfterMs <= nowMs),
  );
}

/** Of two that end together one stays. */
function lastsLonger(other: Delegate, one: Delegate): boolean {
  if (other.notAfterMs !== one.notAfterMs) return other.notAfterMs > one.notAfterMs;
  return other.serialNumber > one.serialNumber;
}

/** Short of its CA's end there is nothing longer to be had. */
function outlives(ca: DelegatingCa | undefined, { notAfterMs }: Delegate, nowMs: number): boolean {
  if (ca === undefined) return true;
  return ca.revoked === undefined && nowMs < ca.notAfterMs && notAfterMs < ca.notAfterMs - 1_000;
}

function unlessDamaged<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (isCertmillError(error) && error.code === 'FAULT_STORE_CORRUPT') return undefined;
    throw error;
  }
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).filter((name) => name.endsWith('.pem'));
  } catch (error) {
    if (isOutOfReach(error)) return [];
    throw error;
  }
}

async function delegateIn(
  file: string,
  issuer: string,
  renewsItself: boolean,
): Promise<Delegate | undefined> {
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
    notBeforeMs: certificate.validFromDate.getTime(),
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
