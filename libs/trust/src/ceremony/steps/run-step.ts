import type { CeremonyStep } from '../ceremony-file.js';
import type { StepContext, StepFacts } from '../step-context.js';
import { crossCertify, issueCa, makeCrl, revokeCa } from './authority.js';
import { adoptQuorum, destroyKey, recoverKey, splitKey } from './custody.js';
import { backUpKeys, restoreKeys } from './key-backup.js';
import { makeRoot } from './make-root.js';
import { renewRoot } from './renew-root.js';

/** Does one step into its stage; nothing of the data folder changes before the stage is committed. */
export async function runStep(step: CeremonyStep, context: StepContext): Promise<StepFacts> {
  switch (step.do) {
    case 'make-root':
      return makeRoot(step, context);
    case 'renew-root':
      return renewRoot(step, context);
    case 'issue-ca':
      return issueCa(step, context);
    case 'cross-certify':
      return crossCertify(step, context);
    case 'revoke-ca':
      return revokeCa(step, context);
    case 'make-crl':
      return makeCrl(step, context);
    case 'split-key':
      return splitKey(step, context);
    case 'recover-key':
      return recoverKey(step, context);
    case 'backup-keys':
      return backUpKeys(step, context);
    case 'restore-keys':
      return restoreKeys(step, context);
    case 'destroy-key':
      return destroyKey(step, context);
    case 'adopt-quorum':
      return adoptQuorum(step, context);
  }
}
