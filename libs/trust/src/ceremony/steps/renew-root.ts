import { pemOfCertificates } from '../../hierarchy/ca-certificate.js';
import { certificateOf, specOfCertificate } from '../../hierarchy/certificate-spec.js';
import { backdated } from '../../hierarchy/issue-authority.js';
import { issueCaCertificate } from '../../hierarchy/issue-ca-certificate.js';
import { keySha256Of } from '../../hierarchy/lost-keys.js';
import { rootName } from '../../hierarchy/issuer-paths.js';
import { authorityIn } from '../../hierarchy/open-authority.js';
import { replacedFiles } from '../../hierarchy/replace-certificate.js';
import { assertKeyNotLost } from '../../hierarchy/revoked-key.js';
import type { StepOf } from '../ceremony-file.js';
import { rootEndOf } from '../root-wish.js';
import { type StepContext, type StepFacts, withCaKey } from '../step-context.js';
import { certificateFacts } from './make-root.js';

/** A new certificate of the root for the same subject and key, as `renewAuthority` makes it. CONFLICT where the key is lost. */
export async function renewRoot(
  step: StepOf<'renew-root'>,
  context: StepContext,
): Promise<StepFacts> {
  const { dataDirectory, nowMs, stage } = context;
  const root = await authorityIn(dataDirectory, rootName);
  const before = certificateOf(root);
  assertKeyNotLost(dataDirectory, keySha256Of(before.spkiDer));
  const spec = {
    ...specOfCertificate(before),
    notBeforeMs: before.notBeforeMs,
    // The lifetime counts from now on.
    notAfterMs: rootEndOf(step.validity, backdated(nowMs)),
  };
  const certificateDer = await withCaKey(rootName, context, async (signer) =>
    issueCaCertificate(spec, before.spkiDer, { signer }),
  );
  await stage.output('root.pem', pemOfCertificates([certificateDer]));
  for (const { path, content } of await replacedFiles(dataDirectory, root, [certificateDer])) {
    await stage.put(path, content);
  }
  return certificateFacts(certificateDer);
}
