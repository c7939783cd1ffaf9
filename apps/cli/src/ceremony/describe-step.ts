import type { CeremonyStep, StepOf } from '@certmill/trust/ceremony';

/** What a step does, in words for those who approve it. */
export function describeStep(step: CeremonyStep): string {
  switch (step.do) {
    case 'make-root':
      return (
        `make the root ${step.subject}, ${step.key}, ${validityOf(step)}` +
        `${constraintsOf(step)}, ${statusOf(step)}${keeperOf(step)}${revokedBeforeOf(step)}`
      );
    case 'renew-root':
      return `renew the certificate of the root for the same key, ${validityOf(step)}`;
    case 'issue-ca':
      return (
        `sign a CA under ${step.under} as ${step.request.file} asks` +
        (step.lifetime === undefined ? '' : `, for ${step.lifetime}`) +
        constraintsOf({ ...step, pathLength: step.pathLength ?? 0 })
      );
    case 'cross-certify':
      return `cross-certify ${step.certificate.file} under ${step.under}`;
    case 'revoke-ca':
      return `revoke the CA of ${step.certificate.file}, all over its key, under ${step.under}: ${step.reason}`;
    case 'make-crl':
      return `make the CRL of ${step.ca}, good for ${step.nextUpdate}`;
    case 'split-key':
      return `split the key of ${step.ca} among the custodians, anew where it is split already; no whole form stays`;
    case 'recover-key':
      return `put the key of ${step.ca} together again, under the passphrase of the folder`;
    case 'backup-keys':
      return `back up ${step.cas.join(', ')}, split among the custodians`;
    case 'restore-keys':
      return `restore the CAs in ${step.bundle.file}`;
    case 'destroy-key':
      return `destroy the key of ${step.ca}: ${step.reason}`;
    case 'adopt-quorum':
      return 'from now on ask for this quorum before sensitive operations';
  }
}

function revokedBeforeOf({ revokedBefore }: StepOf<'make-root'>): string {
  return revokedBefore === undefined
    ? ''
    : `, to sign nothing over the keys in ${revokedBefore.file}`;
}

function keeperOf({ slot }: StepOf<'make-root'>): string {
  return slot === undefined
    ? 'split among the custodians'
    : `made and kept in token ${slot.token} as ${slot.keyLabel}`;
}

function statusOf({ statusUrl, crlShards = 0 }: StepOf<'make-root'>): string {
  if (statusUrl === undefined) return '';
  return `status at ${statusUrl}${crlShards === 0 ? '' : ` in ${String(crlShards)} CRLs`}, `;
}

function validityOf({ validity }: StepOf<'make-root' | 'renew-root'>): string {
  return validity.lifetime ?? `until ${validity.notAfter ?? 'never'}`;
}

/** What it leaves to those below, and the standard that it keeps. */
function constraintsOf(step: StepOf<'make-root' | 'issue-ca'>): string {
  const { profile, pathLength, permit, exclude, policies, purposes } = step;
  const said = [
    ['profile', profile === 'root' ? undefined : profile],
    ['path length', pathLength?.toString()],
    ['permit', permit?.join(' ')],
    ['exclude', exclude?.join(' ')],
    ['policies', policies?.join(' ')],
    ['purposes', purposes?.join(' ')],
  ] as const;
  return said
    .flatMap(([what, value]) => (value === undefined ? [] : [`, ${what} ${value}`]))
    .join('');
}
