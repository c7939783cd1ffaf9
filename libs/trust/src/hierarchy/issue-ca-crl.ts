import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CertmillError, crlReasons } from '@certmill/domain';
import {
  finishCertificate,
  RevokedEntries,
  signatureAlgorithmDer,
  signatureRoom,
  writeTbsCertList,
} from '@certmill/der';
import { isErrorCode, publicFileMode, writeFileAtomically } from '../atomic-file.js';
import { caCrlFileName, caCrlTime } from './ca-crl-time.js';
import { verifiedSignature } from './ca-key.js';
import { withCaLock } from './folder-lock.js';
import { revokedWithLostKeys } from './lost-keys.js';
import { type AuthorityPlace, openAuthorityKey, type SigningAuthority } from './open-authority.js';
import type { RevokedCa } from './revoked-cas.js';

export const crlNumberFileName = 'ca-crl-number.json';
/** Until nextUpdate: for so long a verifier may not hear of what is revoked meanwhile. */
const maxValiditySeconds = 10 * 365 * 86_400;
/** The largest signature that an issuer makes: ML-DSA-87 (FIPS 204 4). */
const maxSignatureOctets = 5 * 1024;

export interface CaCrl {
  readonly crlNumber: bigint;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number;
  readonly entries: number;
  readonly der: Uint8Array;
  /** Where it lies for whoever serves it. */
  readonly file: string;
}

/**
 * Makes the CRL (RFC 5280 5) of a CA over the CA certificates that it has revoked, and over others with keys that are
 * lost. Where the CA has
 * status addresses, a critical issuingDistributionPoint says onlyContainsCACerts. It names no URI: the
 * CRL is about all of its CA certificates, its own self-signed one too, which has no URI. Where it has
 * no addresses, the CRL is about everything that it signed.
 *
 * Entries stay for good. RFC 5280 3.3 lets them leave beyond the end of their certificates; a clock that
 * was ahead once would then release a CA that is revoked, and the CA certificates of a CA are few.
 *
 * crlNumber is the time in milliseconds, or one more than the last one: monotonic when the clock is set
 * back (ADR 0020). It is stored before the CRL is signed, so that no two CRLs ever have one number.
 * @param validitySeconds until nextUpdate, which is not beyond the end of the CA: of an offline CA,
 *   longer than to its next ceremony; 10 years at most.
 * Throws as `openAuthorityKey` and `caCrlTime`; then nothing has changed.
 */
export async function issueCaCrl(
  place: AuthorityPlace,
  validitySeconds: number,
  nowMs: number,
): Promise<CaCrl> {
  return withCaLock(place.directory, async () => {
    const opened = await openAuthorityKey(place);
    const crl = await signCaCrl(opened, validitySeconds, nowMs, async (text) =>
      writeFileAtomically(join(opened.ca.directory, crlNumberFileName), text, publicFileMode),
    );
    const file = join(opened.ca.directory, caCrlFileName);
    await writeFileAtomically(file, crl.der, publicFileMode);
    return { ...crl, file };
  });
}

/**
 * The next CRL of an opened CA; whoever calls it stores the CRL.
 * @param storeNumber is called with what `ca-crl-number.json` has to hold, before anything is signed.
 */
export async function signCaCrl(
  opened: SigningAuthority,
  validitySeconds: number,
  nowMs: number,
  storeNumber: (numberText: string) => Promise<void>,
): Promise<Omit<CaCrl, 'file'>> {
  const isValidity = Number.isSafeInteger(validitySeconds) && validitySeconds >= 1;
  if (!isValidity || validitySeconds > maxValiditySeconds) {
    throw new CertmillError('INVALID_INPUT', 'a CRL is valid for seconds to 10 years (10y)');
  }
  const { ca } = opened;
  const atMs = await caCrlTime(ca, nowMs);
  const last = await lastNumber(join(ca.directory, crlNumberFileName));
  const crlNumber = last !== undefined && last >= BigInt(atMs) ? last + 1n : BigInt(atMs);
  const thisUpdateMs = Math.floor(atMs / 1_000) * 1_000;
  const nextUpdateMs = Math.min(thisUpdateMs + validitySeconds * 1_000, ca.notAfterMs);
  await storeNumber(`${JSON.stringify({ crlNumber: String(crlNumber) })}\n`);
  const revoked = await revokedWithLostKeys(ca);
  const der = await signed(opened, revoked, { crlNumber, thisUpdateMs, nextUpdateMs });
  return { crlNumber, thisUpdateMs, nextUpdateMs, entries: revoked.length, der };
}

async function signed(
  { ca, signer }: SigningAuthority,
  revoked: readonly RevokedCa[],
  {
    crlNumber,
    thisUpdateMs,
    nextUpdateMs,
  }: Pick<CaCrl, 'crlNumber' | 'thisUpdateMs' | 'nextUpdateMs'>,
): Promise<Uint8Array> {
  const entries = RevokedEntries.empty();
  const ascending = [...revoked].sort((a, b) => compareHex(a.serialNumberHex, b.serialNumberHex));
  for (const { serialNumberHex, revokedAtMs, reason } of ascending) {
    entries.add({
      serialNumber: Buffer.from(serialNumberHex.replace(/^00(?=..)/, ''), 'hex'),
      // What was recorded while the clock was ahead is revoked now, not later.
      revocationSeconds: Math.min(revokedAtMs, thisUpdateMs) / 1_000,
      reason: crlReasons[reason],
    });
  }
  const algorithm = signatureAlgorithmDer(signer.signatureAlgorithm);
  const { out, start, end } = writeTbsCertList(
    {
      signatureAlgorithm: algorithm,
      issuerNameDer: ca.subjectDer,
      thisUpdateSeconds: thisUpdateMs / 1_000,
      nextUpdateSeconds: nextUpdateMs / 1_000,
      entries,
      extensions: {
        authorityKeyIdentifier: ca.keyIdentifier,
        crlNumber,
        ...(ca.status === undefined
          ? {}
          : { issuingDistributionPoint: { onlyContains: 'cACerts' } }),
      },
    },
    signatureRoom(algorithm, maxSignatureOctets),
  );
  const signature = await verifiedSignature(signer, out.subarray(start, end));
  const range = finishCertificate(out, start, end, algorithm, signature);
  return out.slice(range.start, range.end);
}

/** Serial numbers by length and value, as `RevokedEntries` has them ascending. */
function compareHex(left: string, right: string): number {
  return left.length - right.length || (left < right ? -1 : left > right ? 1 : 0);
}

async function lastNumber(file: string): Promise<bigint | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT')) return undefined;
    throw cause;
  }
  const [, digits] = /^\{"crlNumber":"(\d{1,48})"\}\n$/.exec(text) ?? [];
  if (digits === undefined) {
    throw new CertmillError('FAULT_STORE_CORRUPT', `${file} is damaged`);
  }
  return BigInt(digits);
}
