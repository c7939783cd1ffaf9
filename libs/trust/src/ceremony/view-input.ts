import { CertmillError } from '@certmill/domain';
import { oids } from '@certmill/der';
import { certificatesInPem, readCaCertificate } from '../hierarchy/ca-certificate.js';
import { caProfiles } from '../hierarchy/ca-profiles.js';
import { type CaRequestView, viewCaRequest } from '../hierarchy/request-authority.js';
import type { CeremonyStep, StepOf } from './ceremony-file.js';
import type { StepFacts } from './step-context.js';
import { parseSealedSecret } from './split-secret.js';
import { certificateFacts } from './steps/make-root.js';

/** What is in a file that a step takes in, for those who approve the step. */
export type InputView =
  | (CaRequestView & {
      readonly kind: 'request';
      /** OIDs of the extensions that the certificate gets from the request. */
      readonly taken: readonly string[];
    })
  | { readonly kind: 'certificate'; readonly facts: StepFacts }
  | {
      readonly kind: 'backup';
      readonly purpose: string;
      readonly threshold: number;
      readonly custodians: readonly string[];
    };

/** INVALID_INPUT where the step would refuse the file, whatever the CA is; undefined where it has none. */
export function viewInput(step: CeremonyStep, bytes: Uint8Array): InputView | undefined {
  const text = Buffer.from(bytes).toString('utf8');
  if (step.do === 'issue-ca') return viewRequest(step, text);
  if (step.do === 'cross-certify' || step.do === 'revoke-ca') {
    return { kind: 'certificate', facts: factsIn(text, step.certificate.file) };
  }
  if (step.do !== 'restore-keys') return undefined;
  const { purpose, threshold, custodians } = parseSealedSecret(text, step.bundle.file);
  return { kind: 'backup', purpose, threshold, custodians: custodians.map(({ name }) => name) };
}

function viewRequest(step: StepOf<'issue-ca'>, requestPem: string): InputView {
  const { profile, pathLength, permit, exclude, policies, purposes } = step;
  const view = viewCaRequest({
    requestPem,
    ...(profile === undefined ? {} : { profile: caProfiles[profile] }),
    ...(pathLength === undefined ? {} : { pathLenConstraint: pathLength }),
  });
  const left = [
    [oids.id_ce_nameConstraints, permit ?? exclude],
    [oids.id_ce_certificatePolicies, policies],
    [oids.id_ce_extKeyUsage, purposes],
  ] as const;
  const taken = left.flatMap(([oid, said]) => (said === undefined ? [oid] : []));
  return { kind: 'request', ...view, taken };
}

function factsIn(pem: string, file: string): StepFacts {
  const [der] = certificatesInPem(pem);
  if (der === undefined) {
    throw new CertmillError('INVALID_INPUT', `${file} holds no PEM certificate`);
  }
  readCaCertificate(der, file);
  return certificateFacts(der);
}
