import { isKeyAtHand, isKeyLost, nameText, revokeAuthority } from '@certmill/trust';
import {
  type CarriedCrl,
  type CertificateOfCa,
  certificatesOfCa,
  type CompromisePlan,
  readCarriedCrl,
  reasonInCrl,
  listingServed,
} from '@certmill/trust/compromise';
import { carryRevocation } from '../carry.js';
import { foldersOf, type Step, type StepContext, waits } from '../step-context.js';

/** A certificate over the lost key, and what is at hand of the CA that signed it: folders with its key first. */
export interface CertificateToRevoke extends CertificateOfCa {
  /** The latest CRL that was carried here and lists it. */
  readonly carried: CarriedCrl | undefined;
  /** Why it is revoked by that, or by what the data folder serves. */
  readonly listedReason: string | undefined;
  readonly isServed: boolean;
}

export interface CertificatesToRevoke {
  readonly certificates: readonly CertificateToRevoke[];
  /** Over the key, but with another name, where the key is not lost: they stay. */
  readonly others: readonly CertificateOfCa[];
  /** Files that cannot be read: they may be over the key as well. */
  readonly unread: readonly string[];
}

interface Recorded extends CertificatesToRevoke {
  /** Those in force: of what was revoked before, its own. */
  readonly reasons: ReadonlySet<string>;
}

/** Each is recorded as revoked wherever the CA that signed it is known: nothing more is signed then. */
export const revokeOldCa: Step = async (context, { plan }) => {
  const { certificates, others, unread, reasons } = await recordRevocations(context, plan);
  const away = certificates.filter(
    ({ signers, listedReason }) => signers.length === 0 && listedReason === undefined,
  );
  if (away.length > 0) throw waits(carryAll(away, plan.wish.reason));
  const files = others.map(({ file }) => file);
  return {
    certificates: certificates.length,
    by: [...new Set(certificates.map(({ certificate }) => nameText(certificate.issuerDer)))],
    reason: reasons.size === 0 ? plan.wish.reason : [...reasons].join(', '),
    ...(files.length === 0 ? {} : { others: files }),
    ...(unread.length === 0 ? {} : { unread }),
  };
};

/** In every folder that has the CA which signed one. Done again, it takes in what has come to light since. */
export async function recordRevocations(
  context: StepContext,
  plan: CompromisePlan,
): Promise<Recorded> {
  const all = await certificatesToRevoke(context, plan);
  const reasons = new Set<string>();
  for (const { certificate, signers, listedReason } of all.certificates) {
    // Where nobody here has the key, the CRL that came from there is right.
    const isListed = !signers.some(({ ca }) => isKeyAtHand(ca)) && listedReason !== undefined;
    if (isListed) reasons.add(listedReason);
    for (const { directory, ca } of signers) {
      const { revoked } = await revokeAuthority({
        directory,
        parent: ca.name,
        certificateDer: certificate.der,
        reason: plan.wish.reason,
        nowMs: Date.now(),
      });
      if (!isListed) reasons.add(revoked.reason);
    }
  }
  return { ...all, reasons };
}

export async function certificatesToRevoke(
  context: StepContext,
  { wish: { reason } }: CompromisePlan,
): Promise<CertificatesToRevoke> {
  const nowMs = Date.now();
  const { data, old, circumstances } = context;
  const crls = await Promise.all(circumstances.parentCrl.map(readCarriedCrl));
  const { found, unread } = await certificatesOfCa(old, foldersOf(context), nowMs);
  const falls = ({ isOfName }: CertificateOfCa): boolean => isOfName || isKeyLost({ reason });
  const certificates = found.filter(falls).map(async (one) => {
    const { certificate, signerDer, signers } = one;
    const reasonIn = ({ crl }: CarriedCrl) =>
      signerDer && reasonInCrl(crl, certificate.der, signerDer, nowMs);
    const carried = latestOf(crls.filter((crl) => reasonIn(crl) !== undefined));
    const served = signerDer && (await listingServed(data, certificate.der, signerDer, nowMs));
    const listedReason = (carried && reasonIn(carried)) ?? served?.reason;
    const isServed = served !== undefined;
    return { ...one, signers: keyFirst(signers), carried, listedReason, isServed };
  });
  return {
    certificates: await Promise.all(certificates),
    others: found.filter((one) => !falls(one)),
    unread,
  };
}

/** What is said of all that can be done elsewhere only, CA by CA. */
export function carryAll(
  away: readonly CertificateToRevoke[],
  reason: Parameters<typeof carryRevocation>[0]['reason'],
): string {
  const bySigner = Map.groupBy(away, ({ certificate }) =>
    certificate.certificate.issuer.replaceAll('\n', ', '),
  );
  return [...bySigner]
    .map(([subject, certificates]) =>
      carryRevocation({
        files: certificates.map(({ file }) => file),
        signer: certificates[0]?.signers[0]?.ca.name ?? 'root',
        subject,
        reason,
      }),
    )
    .join('\n');
}

function latestOf(crls: readonly CarriedCrl[]): CarriedCrl | undefined {
  const number = ({ crl }: CarriedCrl): bigint => crl.crlNumber ?? -1n;
  return [...crls].sort((one, other) => (number(one) > number(other) ? -1 : 1))[0];
}

function keyFirst(signers: CertificateOfCa['signers']): CertificateOfCa['signers'] {
  return [...signers].sort(
    (one, other) => Number(isKeyAtHand(other.ca)) - Number(isKeyAtHand(one.ca)),
  );
}
