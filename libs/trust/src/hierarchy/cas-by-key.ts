import { readdirSync, readFileSync, statSync } from 'node:fs';
import { isName } from '@certmill/domain';
import { createCertificateWalk, walkCertificate } from '@certmill/der';
import { isErrorCode } from '../atomic-file.js';
import { type CaCertificate, certificatesInPem } from './ca-certificate.js';
import { caDirectoryOf, issuerPathsOf } from './issuer-paths.js';

/** What tells a CA from others: a renewal and another CA above change neither. */
export type CaIdentity = Pick<CaCertificate, 'subjectDer' | 'spkiDer'>;

export function isSameCa(one: CaIdentity, other: CaIdentity): boolean {
  return (
    Buffer.compare(one.spkiDer, other.spkiDer) === 0 &&
    Buffer.compare(one.subjectDer, other.subjectDer) === 0
  );
}

/** The CAs of a data folder by subject and key, as they are now; each is read once, for it keeps both. */
export class CasByKey {
  readonly #folder: string;
  readonly #dataDirectory: string;
  readonly #names = new Map<string, string[]>();
  readonly #known = new Set<string>();
  #stamp = '';

  constructor(dataDirectory: string) {
    this.#dataDirectory = dataDirectory;
    this.#folder = caDirectoryOf(dataDirectory);
  }

  /** Takes in a CA that was read anyway. */
  add(name: string, ca: CaIdentity): void {
    if (this.#known.has(name)) return;
    this.#known.add(name);
    const key = keyOf(ca);
    const names = this.#names.get(key);
    if (names === undefined) this.#names.set(key, [name]);
    else names.push(name);
  }

  /** Of folders that were there at some time: who asks looks whether they still are. */
  namesOf(ca: CaIdentity): readonly string[] {
    this.#look();
    return this.#names.get(keyOf(ca)) ?? [];
  }

  /** Costs some 30 µs for each CA that is new, and a stat where the folder is the same. */
  #look(): void {
    const found = statSync(this.#folder, { throwIfNoEntry: false });
    const stamp = found === undefined ? '' : `${String(found.ino)} ${String(found.mtimeMs)}`;
    if (stamp === this.#stamp) return;
    this.#stamp = stamp;
    for (const name of found === undefined ? [] : readdirSync(this.#folder)) {
      if (!isName(name) || this.#known.has(name)) continue;
      const ca = identityIn(issuerPathsOf(this.#dataDirectory, name).chainFile);
      if (ca !== undefined) this.add(name, ca);
    }
  }
}

function keyOf({ subjectDer, spkiDer }: CaIdentity): string {
  return Buffer.concat([subjectDer, spkiDer]).toString('latin1');
}

/** Undefined where the file is not there, or does not begin with a certificate: who loads the CA says so. */
function identityIn(chainFile: string): CaIdentity | undefined {
  const [der] = certificatesInPem(textOf(chainFile));
  const walk = createCertificateWalk();
  if (der === undefined || !walkCertificate(der, 0, der.length, walk)) return undefined;
  return {
    subjectDer: der.subarray(walk.subjectStart, walk.subjectEnd),
    spkiDer: der.subarray(walk.subjectPKInfoStart, walk.subjectPKInfoEnd),
  };
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (isErrorCode(error, 'ENOENT') || isErrorCode(error, 'ENOTDIR')) return '';
    throw error;
  }
}
