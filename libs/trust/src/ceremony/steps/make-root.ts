import { hash } from 'node:crypto';
import { pemEncode } from '@certmill/der';
import { readCaCertificate } from '../../hierarchy/ca-certificate.js';
import { issueProfiledCaCertificate } from '../../hierarchy/ca-profiles.js';
import { caSignerOf, generateCaKey } from '../../hierarchy/ca-key.js';
import { newCaSerialNumber } from '../../hierarchy/issue-ca-certificate.js';
import { rootName } from '../../hierarchy/issuer-paths.js';
import type { StepOf } from '../ceremony-file.js';
import { rootEndOf, rootOf } from '../root-wish.js';
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
  const { profile, ...said } = rootOf(step);
  const certificateDer = await issueProfiledCaCertificate(
    profile,
    {
      ...said,
      serialNumber: newCaSerialNumber(),
      notBeforeMs,
      notAfterMs: rootEndOf(step.validity, notBeforeMs),
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

/** What people compare when a certificate is read aloud. */
export function certificateFacts(certificateDer: Uint8Array): StepFacts {
  const { certificate, keyIdentifier, keyType, subject } = readCaCertificate(certificateDer, 'it');
  return {
    subject,
    serialNumber: certificate.serialNumber.toLowerCase(),
    keyType,
    notBefore: certificate.validFromDate.toISOString(),
    notAfter: certificate.validToDate.toISOString(),
    subjectKeyIdentifier: Buffer.from(keyIdentifier).toString('hex'),
    certificateSha256: hash('sha256', certificateDer, 'hex'),
  };
}
