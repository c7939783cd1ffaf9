import { hash } from 'node:crypto';
import { durationSeconds } from '@certmill/domain';
import { pemEncode } from '@certmill/der';
import { readCaCertificate } from '../../hierarchy/ca-certificate.js';
import { caSignerOf, generateCaKey } from '../../hierarchy/ca-key.js';
import {
  distinguishedNameDer,
  parseDistinguishedName,
} from '../../hierarchy/distinguished-name.js';
import {
  issueCaCertificate,
  newCaSerialNumber,
  noExpirationMs,
} from '../../hierarchy/issue-ca-certificate.js';
import { rootName } from '../../hierarchy/issuer-paths.js';
import type { StepOf } from '../ceremony-file.js';
import {
  sealedKeyFileName,
  splitAmongCustodians,
  type StepContext,
  type StepFacts,
} from '../step-context.js';

/** Clocks of the first devices may be slow. */
const backdateMs = 60_000;

/** Makes a root whose key is split before anything of it is written. */
export async function makeRoot(
  step: StepOf<'make-root'>,
  context: StepContext,
): Promise<StepFacts> {
  const { privateKey, subjectPKInfoDer } = await generateCaKey(step.key);
  const notBeforeMs = Math.floor((context.nowMs - backdateMs) / 1_000) * 1_000;
  const pathLength = step.pathLength ?? (step.profile === 'matter-paa' ? 1 : undefined);
  const certificateDer = await issueCaCertificate(
    {
      subjectDer: distinguishedNameDer(parseDistinguishedName(step.subject)),
      serialNumber: newCaSerialNumber(),
      notBeforeMs,
      notAfterMs: endOf(step.validity, notBeforeMs),
      ...(pathLength === undefined ? {} : { pathLenConstraint: pathLength }),
    },
    subjectPKInfoDer,
    { signer: caSignerOf(privateKey, subjectPKInfoDer) },
  );
  const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' });
  try {
    const sealed = await splitAmongCustodians(pkcs8, `key ${rootName}`, context);
    const pem = pemEncode('CERTIFICATE', certificateDer);
    await context.stage.output('root.pem', pem);
    await context.stage.install(`ca/${rootName}`, [
      { name: 'certificate.pem', content: pem },
      { name: 'chain.pem', content: pem },
      { name: sealedKeyFileName, content: `${JSON.stringify(sealed, undefined, 2)}\n` },
    ]);
  } finally {
    pkcs8.fill(0);
  }
  return certificateFacts(certificateDer);
}

/** The last second of a validity (RFC 5280 4.1.2.5: both ends included). */
export function endOf(validity: StepOf<'make-root'>['validity'], notBeforeMs: number): number {
  const { lifetime, notAfter } = validity;
  if (lifetime !== undefined) return notBeforeMs + (durationSeconds(lifetime) - 1) * 1_000;
  return notAfter === undefined || notAfter === 'never' ? noExpirationMs : Date.parse(notAfter);
}

/** What people compare when a certificate is read aloud. */
export function certificateFacts(certificateDer: Uint8Array): StepFacts {
  const { certificate, keyIdentifier, keyType } = readCaCertificate(certificateDer, 'it');
  return {
    subject: certificate.subject.replaceAll('\n', ', '),
    serialNumber: certificate.serialNumber.toLowerCase(),
    keyType,
    notBefore: certificate.validFromDate.toISOString(),
    notAfter: certificate.validToDate.toISOString(),
    subjectKeyIdentifier: Buffer.from(keyIdentifier).toString('hex'),
    certificateSha256: hash('sha256', certificateDer, 'hex'),
  };
}
