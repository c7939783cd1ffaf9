import { revokeAuthority, isKeyAtHand } from '@certmill/trust';
import {
  type CarriedCrl,
  type CertificateOfCa,
  certificatesOfCa,
  listsAsRevoked,
  readCarriedCrl,
  type Signer,
  signersOf,
} from '@certmill/trust/compromise';
import { carryRevocation } from '../carry.js';
import { foldersOf, type Step, type StepContext, waits } from '../step-context.js';

/** A certificate over the lost key, and what is at hand of the CA that signed it. */
export interface CertificateToRevoke {
  readonly own: CertificateOfCa;
  /** In the folders that have it: that of its key first. */
  readonly signers: readonly Signer[];
  /** A CRL that was carried here and lists it. */
  readonly carried: CarriedCrl | undefined;
}

/** Each is recorded as revoked wherever the CA that signed it is known: nothing more is signed then. */
export const revokeOldCa: Step = async (context, { plan }) => {
  const all = await certificatesToRevoke(context);
  for (const { own, signers } of all) {
    for (const { directory, ca } of signers) {
      await revokeAuthority({
        directory,
        parent: ca.name,
        certificateDer: own.certificate.der,
        reason: plan.wish.reason,
        nowMs: Date.now(),
      });
    }
  }
  const away = all.filter(({ signers, carried }) => signers.length === 0 && carried === undefined);
  if (away.length > 0) throw waits(carryAll(away, plan.wish.reason));
  return {
    certificates: all.length,
    by: [...new Set(all.flatMap(({ signers }) => signers.map(({ ca }) => ca.subject)))],
    reason: plan.wish.reason,
  };
};

export async function certificatesToRevoke(
  context: StepContext,
): Promise<readonly CertificateToRevoke[]> {
  const nowMs = Date.now();
  const { old, circumstances } = context;
  const crls = await Promise.all(circumstances.parentCrl.map(readCarriedCrl));
  const certificates = await certificatesOfCa(old, nowMs);
  return Promise.all(
    certificates.map(async (own) => {
      const signers = await signersOf(own, foldersOf(context));
      const known = own.signerDer ?? signers[0]?.ca.chainDer[0];
      const carried = crls.find(
        (crl) => known !== undefined && listsAsRevoked(crl, own.certificate.der, known, nowMs),
      );
      return { own, signers: keyFirst(signers), carried };
    }),
  );
}

/** What is said of all that can be done elsewhere only, CA by CA. */
export function carryAll(
  away: readonly CertificateToRevoke[],
  reason: Parameters<typeof carryRevocation>[0]['reason'],
): string {
  const bySigner = Map.groupBy(away, ({ own }) =>
    own.certificate.certificate.issuer.replaceAll('\n', ', '),
  );
  return [...bySigner]
    .map(([subject, certificates]) =>
      carryRevocation({
        files: certificates.map(({ own }) => own.file),
        signer: certificates[0]?.signers[0]?.ca.name ?? 'root',
        subject,
        reason,
      }),
    )
    .join('\n');
}

function keyFirst(signers: readonly Signer[]): readonly Signer[] {
  return [...signers].sort(
    (one, other) => Number(isKeyAtHand(other.ca)) - Number(isKeyAtHand(one.ca)),
  );
}
