import { CertmillError, revocationReasons, type RevocationReason } from '@certmill/domain';
import { publicFileMode, writeFileAtomically } from '../atomic-file.js';

/** A CA certificate that was revoked by the CA in whose folder this is recorded. */
export interface RevokedCa {
  /** Lower-case hex, as in the certificate. */
  readonly serialNumberHex: string;
  /** For people. */
  readonly subject: string;
  readonly reason: RevocationReason;
  readonly revokedAtMs: number;
  /** For people: its entry stays in CRLs for good. */
  readonly notAfterMs: number;
  /**
   * As `keySha256Of`: no certificate over it is signed again. Without it the entry is of this certificate alone,
   * unless the key is lost: then the certificate in `issued/` says which one.
   */
  readonly keySha256?: string;
}

/** The key is in foreign hands, or may be: no certificate over it is good, whoever made it and when. */
export function isKeyLost({ reason }: Pick<RevokedCa, 'reason'>): boolean {
  return reason === 'keyCompromise' || reason === 'cACompromise';
}

export const revokedCasFileName = 'revoked-cas.json';
/**
 * Of a root with a new key, in the same form: the keys that the root before had revoked, or knew to be lost. It signs
 * nothing over them either, and its CRLs do not list them: the certificates are of the key before.
 */
export const revokedBeforeFileName = 'revoked-before.json';
const formatVersion = 1;

export async function writeRevokedCas(file: string, revoked: readonly RevokedCa[]): Promise<void> {
  await writeFileAtomically(file, revokedCasText(revoked), publicFileMode);
}

/** What `writeRevokedCas` writes. */
export function revokedCasText(revoked: readonly RevokedCa[]): string {
  return `${JSON.stringify({ formatVersion, revoked }, undefined, 2)}\n`;
}

/** Throws INVALID_INPUT where the text is not what `writeRevokedCas` makes. */
export function readRevokedCas(text: string): readonly RevokedCa[] {
  try {
    const form = JSON.parse(text) as { formatVersion?: unknown; revoked?: unknown };
    if (form.formatVersion === formatVersion && Array.isArray(form.revoked)) {
      const entries = form.revoked as readonly unknown[];
      if (entries.every(isRevokedCa)) return entries;
    }
  } catch {
    // It is said below.
  }
  throw new CertmillError('INVALID_INPUT', 'the file is damaged or of another format');
}

function isRevokedCa(entry: unknown): entry is RevokedCa {
  if (typeof entry !== 'object' || entry === null) return false;
  const { serialNumberHex, subject, reason, revokedAtMs, notAfterMs, keySha256 } = entry as Record<
    string,
    unknown
  >;
  return (
    typeof serialNumberHex === 'string' &&
    /^(?:[0-9a-f]{2}){1,21}$/.test(serialNumberHex) &&
    typeof subject === 'string' &&
    revocationReasons.includes(reason as RevocationReason) &&
    Number.isSafeInteger(revokedAtMs) &&
    Number.isSafeInteger(notAfterMs) &&
    (keySha256 === undefined || (typeof keySha256 === 'string' && /^[0-9a-f]{64}$/.test(keySha256)))
  );
}

/**
 * A revocation stays as it was first; but that the key is lost may be found out later, and says more, and so does which
 * key it is, where that was not kept.
 */
export function mergedEntry(before: RevokedCa, entry: RevokedCa): RevokedCa {
  if (isKeyLost(entry) && !isKeyLost(before)) return { ...entry, revokedAtMs: before.revokedAtMs };
  const { keySha256 } = entry;
  return before.keySha256 !== undefined || keySha256 === undefined
    ? before
    : { ...before, keySha256 };
}
