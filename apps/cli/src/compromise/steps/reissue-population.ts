import { factsOf, reissueOperationOf } from '@certmill/trust/compromise';
import type { MassOperationView } from '../../client/views.js';
import { formatNumber } from '../../terminal/quantities.js';
import { massWork } from '../mass-work.js';
import { type Step, type StepContext, waits } from '../step-context.js';

/** Every device gets a certificate of the new issuer for the key that it has, profile by profile. */
export const reissuePopulation: Step = async (context, run) => {
  const { wish } = run.plan;
  const { profiles } = factsOf(run, 'drain');
  if (!Array.isArray(profiles) || wish.successor === undefined) return {};
  const operations: MassOperationView[] = [];
  for (const [index, profile] of (profiles as readonly string[]).entries()) {
    const operationId = reissueOperationOf(wish, index);
    context.terminal.note(`reissuing ${profile}: operation ${operationId}`);
    const operation = await massWork(context, {
      operationId,
      selection: { issuer: wish.issuer, profile },
      work: { kind: 'reissue', issuer: wish.successor.name, profile },
      ...(wish.ratePerSecond === undefined ? {} : { ratePerSecond: wish.ratePerSecond }),
    });
    operations.push(operation);
  }
  const sum = (
    count: 'submitted' | 'issued' | 'skipped' | 'refused' | 'rejected' | 'deadLettered',
  ): number => operations.reduce((total, { counts }) => total + counts[count], 0);
  let inVain = 0;
  for (const { operationId, counts } of operations) {
    if (counts.skipped > 0) inVain += await replacedInVain(context, operationId);
  }
  const facts = {
    operations: operations.map(({ operationId }) => operationId),
    issued: sum('issued'),
    skipped: sum('skipped'),
    refused: sum('refused'),
    rejected: sum('rejected'),
    deadLettered: sum('deadLettered'),
    ...(inVain === 0 ? {} : { replacedInVain: inVain }),
  };
  const without = facts.rejected + facts.deadLettered;
  // Where the CA is revoked already, nobody is better off for waiting.
  if (without > context.circumstances.leaveBehind && !wish.isCaFirst) {
    throw waits(
      `${operations.flatMap(leftIn).join(', ')} have no new certificate ` +
        `(${formatNumber(facts.rejected)} rejected, ${formatNumber(facts.deadLettered)} dead letters), ` +
        'and what they hold is about to be revoked. Dead letters: retry them, then the same command again. ' +
        `Rejected: ${operations.map(resultsOf).join(', ')} say why; when that is mended, begin another run ` +
        `with --name, which reissues what is left. To go on without them: --leave-behind ${String(without)}`,
    );
  }
  return facts;
};

/** How many were passed over for a certificate that is no good to its device. */
async function replacedInVain({ client }: StepContext, operationId: string): Promise<number> {
  let count = 0;
  for await (const { reason } of client.operationResults(operationId, 'skipped')) {
    if (reason === 'REPLACEMENT_NOT_GOOD') count += 1;
  }
  return count;
}

/** Of a profile a device has one certificate that is in use: so many were submitted. */
function leftIn({ counts, profile = '' }: MassOperationView): readonly string[] {
  const { rejected, deadLettered, submitted } = counts;
  const left = rejected + deadLettered;
  if (left === 0) return [];
  return [`${formatNumber(left)} of ${formatNumber(submitted)} devices with profile ${profile}`];
}

function resultsOf({ operationId }: MassOperationView): string {
  return `'certmill mass results ${operationId} --outcome rejected'`;
}
