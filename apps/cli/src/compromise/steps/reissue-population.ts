import { factsOf, reissueOperationOf } from '@certmill/trust/compromise';
import type { MassOperationView } from '../../client/views.js';
import { formatNumber } from '../../terminal/quantities.js';
import { devicesWithout } from '../left-behind.js';
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
  const passedOver: PassedOver[] = [];
  for (const operation of operations) passedOver.push(await passedOverIn(context, operation));
  const inVain = passedOver.reduce((total, each) => total + each.replacedInVain, 0);
  const onHold = passedOver.reduce((total, each) => total + each.onHold, 0);
  const facts = {
    operations: operations.map(({ operationId }) => operationId),
    issued: sum('issued'),
    skipped: sum('skipped'),
    refused: sum('refused'),
    rejected: sum('rejected'),
    deadLettered: sum('deadLettered'),
    ...(inVain === 0 ? {} : { replacedInVain: inVain }),
    ...(onHold === 0 ? {} : { onHold }),
  };
  const without = devicesWithout(facts);
  // Where the CA is revoked already, nobody is better off for waiting.
  if (without > context.circumstances.leaveBehind && !wish.isCaFirst) {
    const left = operations.flatMap((operation, i) =>
      leftIn(operation, passedOver[i]?.onHold ?? 0),
    );
    throw waits(
      `${left.join(', ')} have no new certificate ` +
        `(${formatNumber(facts.rejected)} rejected, ${formatNumber(facts.deadLettered)} dead letters, ` +
        `${formatNumber(facts.refused)} refused: not on the allow-list, ${formatNumber(onHold)} on hold), ` +
        'and what they hold is about to be revoked. Dead letters: retry them, then the same command again. ' +
        `Rejected or refused: ${operations.map(resultsOf).join(', ')} say why; when that is mended, and holds ` +
        'are released, begin another run with --name, which reissues what is left. ' +
        `To go on without them: --leave-behind ${String(without)}`,
    );
  }
  return facts;
};

interface PassedOver {
  /** For a certificate that is no good to its device. */
  readonly replacedInVain: number;
  readonly onHold: number;
}

async function passedOverIn(
  { client }: StepContext,
  { operationId, counts }: MassOperationView,
): Promise<PassedOver> {
  const by = new Map<string | undefined, number>();
  if (counts.skipped > 0) {
    for await (const { reason } of client.operationResults(operationId, 'skipped')) {
      by.set(reason, (by.get(reason) ?? 0) + 1);
    }
  }
  const countOf = (reason: string): number => by.get(reason) ?? 0;
  return {
    replacedInVain: countOf('REPLACEMENT_NOT_GOOD'),
    onHold: countOf('CERTIFICATE_ON_HOLD'),
  };
}

/** Of a profile a device has one certificate that is in use, which is submitted, refused or on hold. */
function leftIn({ counts, profile = '' }: MassOperationView, onHold: number): readonly string[] {
  const { rejected, deadLettered, refused, submitted } = counts;
  const left = rejected + deadLettered + refused + onHold;
  if (left === 0) return [];
  const all = submitted + refused + onHold;
  return [`${formatNumber(left)} of ${formatNumber(all)} devices with profile ${profile}`];
}

function resultsOf({ operationId }: MassOperationView): string {
  return `'certmill mass results ${operationId}'`;
}
