import { CertmillError, isCertmillError } from '@certmill/domain';
import { importCaCrl, isKeyAtHand, issueCaCrl } from '@certmill/trust';
import { listingServed } from '@certmill/trust/compromise';
import { placeOf, secondsOf } from '../../commands/ca/ca-options.js';
import { type Step, type StepContext, waits } from '../step-context.js';
import {
  carryAll,
  type CertificateToRevoke,
  type CertificatesToRevoke,
  recordRevocations,
} from './revoke-old-ca.js';

interface Crl {
  readonly file: string;
  readonly der: Uint8Array;
  /** Undefined for one that is not taken in for that. */
  readonly crlNumber: bigint | undefined;
}

/**
 * The CRL of each CA above lists what it revoked, and the data folder serves it: made there, or taken in where the key is
 * elsewhere. Each folder that knows such a CA without its key takes it in, too.
 */
export const publishParentCrl: Step = async (context, { plan }) => {
  const { certificates } = await recordRevocations(context, plan);
  const away = certificates.filter(
    ({ signers, carried, isServed }) =>
      carried === undefined && !isServed && !signers.some(({ ca }) => isKeyAtHand(ca)),
  );
  if (away.length > 0) throw waits(carryAll(away, plan.wish.reason));
  const made = await makeCrls(context, certificates);
  const files = new Set<string>();
  for (const one of certificates) {
    const {
      carried,
      signers: [first],
    } = one;
    const crl =
      (first && made.get(keyOf(first))) ??
      (carried && { file: carried.file, der: carried.crl.der, crlNumber: carried.crl.crlNumber });
    if (crl === undefined) continue;
    files.add(crl.file);
    await takeIn(context, one, crl);
  }
  await assertServed(context, certificates);
  return { files: [...files] };
};

function keyOf({ directory, ca }: CertificateToRevoke['signers'][number]): string {
  return `${directory} ${ca.name}`;
}

/** Of each CA, in each folder that has its key. */
async function makeCrls(
  { terminal, data, circumstances }: StepContext,
  certificates: CertificatesToRevoke['certificates'],
): Promise<ReadonlyMap<string, Crl>> {
  const made = new Map<string, Crl>();
  for (const signer of certificates.flatMap(({ signers }) => signers)) {
    const { directory, ca } = signer;
    if (!isKeyAtHand(ca) || made.has(keyOf(signer))) continue;
    const isElsewhere = directory === circumstances.parentData;
    const place = await placeOf(terminal, ca.name, data, isElsewhere ? circumstances : {});
    made.set(keyOf(signer), await issueCaCrl(place, secondsOf(circumstances.next), Date.now()));
  }
  return made;
}

/** Where the key is not. One that is there already, lists the certificate and is no earlier stays. */
async function takeIn(
  { data }: StepContext,
  { certificate: { der: certificateDer }, signers, signerDer }: CertificateToRevoke,
  { file, der: crlDer, crlNumber = 0n }: Crl,
): Promise<void> {
  if (signerDer === undefined) return;
  for (const directory of new Set([data, ...signers.map((signer) => signer.directory)])) {
    const isKeyThere = signers.some(
      (signer) => signer.directory === directory && isKeyAtHand(signer.ca),
    );
    if (isKeyThere) continue;
    const nowMs = Date.now();
    const served = await listingServed(directory, certificateDer, signerDer, nowMs);
    if (served !== undefined && served.crlNumber >= crlNumber) continue;
    try {
      await importCaCrl({
        ...{ directory, crlDer, nowMs },
        about: { certificateDer, signerDer },
        otherwise: signers[0]?.ca.name ?? 'root',
      });
    } catch (error) {
      if (!isCertmillError(error)) throw error;
      const reason = `${file} is not taken in where it is served, ${directory}: ${error.message}`;
      throw new CertmillError(error.code, reason, { cause: error });
    }
  }
}

/** STEP_WAITS where what everybody fetches leaves one out. */
async function assertServed(
  { data }: StepContext,
  certificates: CertificatesToRevoke['certificates'],
): Promise<void> {
  const left: string[] = [];
  for (const { file, certificate, signerDer } of certificates) {
    const served = signerDer && (await listingServed(data, certificate.der, signerDer, Date.now()));
    if (served !== undefined) continue;
    const serialNumberHex = Buffer.from(certificate.serialNumber).toString('hex');
    const issuer = certificate.certificate.issuer.replaceAll('\n', ', ');
    left.push(
      `the CRL of '${issuer}' that ${data} serves does not list ${serialNumberHex} (${file})`,
    );
  }
  if (left.length > 0) throw waits(left.join('\n'));
}
