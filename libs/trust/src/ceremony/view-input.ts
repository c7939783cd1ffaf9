import { CertmillError } from '@certmill/domain';
import { oids } from '@certmill/der';
import { certificatesInPem, readCaCertificate } from '../hierarchy/ca-certificate.js';
import { caProfiles } from '../hierarchy/ca-profiles.js';
import { keySha256Of } from '../hierarchy/lost-keys.js';
import { readRevokedBefore, type RevokedKey } from '../hierarchy/revoked-before.js';
import { isKeyLost } from '../hierarchy/revoked-cas.js';
import { goesOnWithNewKey } from '../hierarchy/revoked-key.js';
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
  | {
      readonly kind: 'certificate';
      readonly facts: StepFacts;
      /** SHA-256 of the SubjectPublicKeyInfo, hex. */
      readonly keySha256: string;
    }
  | {
      readonly kind: 'revoked keys';
      readonly keys: readonly RevokedKey[];
    }
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
    return viewCertificate(text, step.certificate.file);
  }
  if (step.do === 'make-root' && step.revokedBefore !== undefined) {
    return { kind: 'revoked keys', keys: readRevokedBefore(text, step.revokedBefore.file) };
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

/**
 * CONFLICT where a step signs over a key that a step before it revokes, which the ceremony would refuse: the same CA for
 * whatever reason, another one where the key is lost.
 */
export function assertNoneComesBack(
  viewed: readonly { readonly step: CeremonyStep; readonly view: InputView }[],
): void {
  const revoked: { readonly by: StepOf<'revoke-ca'>; readonly keySha256: string }[] = [];
  for (const { step, view } of viewed) {
    if (view.kind === 'backup' || view.kind === 'revoked keys') continue;
    const { keySha256 } = view;
    if (step.do === 'revoke-ca') revoked.push({ by: step, keySha256 });
    if (step.do !== 'issue-ca' && step.do !== 'cross-certify') continue;
    const found = revoked.find(
      ({ by, keySha256: key }) =>
        key === keySha256 && (by.under === step.under || isKeyLost({ reason: by.reason })),
    );
    if (found === undefined) continue;
    throw new CertmillError(
      'CONFLICT',
      `${step.do} signs over the key of ${found.by.certificate.file}, which a step before it revokes; ${goesOnWithNewKey}`,
    );
  }
}

function viewCertificate(pem: string, file: string): InputView {
  const [der] = certificatesInPem(pem);
  if (der === undefined) {
    throw new CertmillError('INVALID_INPUT', `${file} holds no PEM certificate`);
  }
  const { spkiDer } = readCaCertificate(der, file);
  return { kind: 'certificate', facts: certificateFacts(der), keySha256: keySha256Of(spkiDer) };
}
