import { readdirSync, readFileSync, statSync } from 'node:fs';
import { isName } from '@certmill/domain';
import { createCertificateWalk, walkCertificate } from '@certmill/der';
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

interface SameCas {
  readonly names: string[];
  /** Of all CAs when the last of these came. */
  count: number;
}

/** The CAs of a data folder by subject and key, as they are now; each is read once, for it keeps both. */
export class CasByKey {
  readonly #folder: string;
  readonly #dataDirectory: string;
  readonly #byKey = new Map<string, SameCas>();
  readonly #known = new Set<string>();
  readonly #unread = new Set<string>();
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
    const same = this.#byKey.get(key) ?? { names: [], count: 0 };
    same.names.push(name);
    same.count = this.#known.size;
    this.#byKey.set(key, same);
  }

  /** Of folders that were there at some time: who asks looks whether they still are. */
  namesOf(ca: CaIdentity): readonly string[] {
    this.#look();
    return this.#byKey.get(keyOf(ca))?.names ?? [];
  }

  /** How many there were at any time: it only grows. */
  count(): number {
    this.#look();
    return this.#known.size;
  }

  /** Whether the CA, or another one of the same subject and key, has come since there were `count`. */
  hasComeSince(count: number, ca: CaIdentity): boolean {
    return (this.#byKey.get(keyOf(ca))?.count ?? 0) > count;
  }

  /** Folders in which there was no certificate at the last look: they may be being filled. */
  get unread(): ReadonlySet<string> {
    return this.#unread;
  }

  /** Costs some 30 µs for each CA that is new, and a stat where the folder is the same. */
  #look(): void {
    const found = statSync(this.#folder, { throwIfNoEntry: false });
    const stamp = found === undefined ? '' : `${String(found.ino)} ${String(found.mtimeMs)}`;
    if (stamp === this.#stamp) {
      for (const name of this.#unread) this.#read(name);
      return;
    }
    this.#stamp = stamp;
    this.#unread.clear();
    if (found === undefined) return;
    for (const entry of readdirSync(this.#folder, { withFileTypes: true })) {
      const { name } = entry;
      if (!isName(name) || this.#known.has(name) || entry.isFile()) continue;
      this.#read(name);
    }
  }

  #read(name: string): void {
    const ca = identityIn(issuerPathsOf(this.#dataDirectory, name).chainFile);
    if (ca === undefined) {
      this.#unread.add(name);
      return;
    }
    this.#unread.delete(name);
    this.add(name, ca);
  }
}

function keyOf({ subjectDer, spkiDer }: CaIdentity): string {
  return Buffer.concat([subjectDer, spkiDer]).toString('latin1');
}

/** Undefined where the file cannot be read, or does not begin with a certificate: who loads the CA says so. */
function identityIn(chainFile: string): CaIdentity | undefined {
  const text = textOf(chainFile);
  return text === undefined ? undefined : identityOf(certificatesInPem(text)[0]);
}

/** Views of a certificate; undefined where it is none. */
export function identityOf(der: Uint8Array | undefined): CaIdentity | undefined {
  const walk = createCertificateWalk();
  if (der === undefined || !walkCertificate(der, 0, der.length, walk)) return undefined;
  return {
    subjectDer: der.subarray(walk.subjectStart, walk.subjectEnd),
    spkiDer: der.subarray(walk.subjectPKInfoStart, walk.subjectPKInfoEnd),
  };
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
