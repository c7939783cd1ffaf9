import { findAuthority, isKeyAtHand } from '@certmill/trust';
import {
  assertSuccessor,
  type CompromisePlan,
  type CompromiseRun,
  type CompromiseStep,
  reissueOperationOf,
  revokeOperationOf,
  type StepFacts,
} from '@certmill/trust/compromise';
import type { NewMassOperation } from '../client/issuance-client.js';
import type { MassOperationView } from '../client/views.js';
import { populationUnder, type Population } from './population.js';
import { formatNumber } from '../terminal/quantities.js';
import type { StepContext } from './step-context.js';
import { steps } from './steps.js';
import { parentOfSuccessor } from './steps/make-new-issuer.js';
import { certificatesToRevoke } from './steps/revoke-old-ca.js';

/** What a run would do, step by step; nothing is changed anywhere. */
export interface CompromisePreview {
  readonly state: 'dry-run';
  readonly name: string;
  readonly issuer: string;
  readonly successor?: string;
  readonly reason: string;
  readonly deviceReason: string;
  readonly isBegun: boolean;
  readonly steps: readonly {
    readonly step: CompromiseStep;
    readonly state: 'done' | 'to do';
    readonly does: string;
    /** Counts as they are now; absent where the step is done. */
    readonly would?: StepFacts;
    /** Devices that a reissue would leave without a new certificate; absent where there are none. */
    readonly left?: DevicesLeft;
  }[];
}

/** By why; beside the counts by profile, whose names are free. */
interface DevicesLeft {
  readonly refused: number;
  readonly onHold: number;
  /** That have another one, which is no good to them. */
  readonly replacedInVain: number;
}

/** What a step would do, as it is told. */
interface Foreseen {
  readonly would: StepFacts;
  readonly left?: DevicesLeft;
}

/** @param run a run that was begun, or a plan that was not. */
export async function previewCompromise(
  context: StepContext,
  run: Pick<CompromiseRun, 'plan' | 'done'>,
  isBegun: boolean,
): Promise<CompromisePreview> {
  const { plan } = run;
  const { wish, deviceReason } = plan;
  const population = await populationUnder(context.client, wish.issuer);
  const previewed: CompromisePreview['steps'][number][] = [];
  for (const step of plan.steps) {
    const { does } = steps[step];
    const isDone = run.done.some((done) => done.step === step);
    previewed.push(
      isDone
        ? { step, state: 'done', does }
        : { step, state: 'to do', does, ...(await foreseen(step, context, plan, population)) },
    );
  }
  return {
    state: 'dry-run',
    name: wish.name,
    issuer: wish.issuer,
    ...(wish.successor === undefined ? {} : { successor: wish.successor.name }),
    reason: wish.reason,
    deviceReason,
    isBegun,
    steps: previewed,
  };
}

export function previewLines(preview: CompromisePreview): readonly string[] {
  return [
    `run ${preview.name} of issuer ${preview.issuer}: nothing was done`,
    ...preview.steps.map(({ step, state, does, would: facts = {}, left }, index) => {
      const rest =
        state === 'done' ? 'done' : [inWords[step](facts), ...leftInWords(left)].join(', ');
      return `${String(index + 1)}. ${step}: ${does}${rest === '' ? '' : ` (${rest})`}`;
    }),
    '',
    'next:',
    '  the same command with --yes in the place of --dry-run',
  ];
}

const keyAtHand = (isAtHand: unknown): string =>
  isAtHand === true ? 'its key is at hand' : 'its key is elsewhere: files are carried';
const several = (count: unknown, one: string, more = `${one}s`): string =>
  `${formatNumber(Number(count ?? 0))} ${count === 1 ? one : more}`;

/** What `would` finds, for people; '' where there is nothing to say. */
const inWords: Readonly<Record<CompromiseStep, (facts: StepFacts) => string>> = {
  successor({ isThere, under, isKeyAtHand: isAtHand }) {
    if (isThere === undefined) return 'none is wanted';
    return isThere === true
      ? 'it is there already'
      : `it is made under ${String(under)}; ${keyAtHand(isAtHand)}`;
  },
  close: ({ orders, open }) => `${several(orders, 'order')}, ${formatNumber(Number(open))} open`,
  drain: ({ inFlight, deadLettered, mayBeTurnedAway }) =>
    `${several(inFlight, 'request')} in flight, ${formatNumber(Number(deadLettered))} dead-lettered` +
    (mayBeTurnedAway === undefined
      ? ''
      : '; those in flight get no certificate where they are not signed before the CA is revoked'),
  reissue: (profiles) =>
    Object.entries(profiles)
      .map(([profile, count]) => `${several(count, 'certificate')} of profile ${profile}`)
      .join(', '),
  revoke: ({ revoked, before, pending }) =>
    `${several(revoked, 'certificate')}; ${formatNumber(Number(before))} revoked before, ` +
    `${formatNumber(Number(pending))} not issued yet`,
  crls: ({ crls, behind }) =>
    `${several(crls, 'full CRL')}, ${formatNumber(Number(behind))} behind`,
  'revoke-ca': ({ certificates, elsewhere, others, unread }) =>
    `${several(certificates, 'certificate')} of the CA` +
    (elsewhere === 0
      ? ''
      : `, ${formatNumber(Number(elsewhere))} signed by CAs that are elsewhere`) +
    (Array.isArray(others) ? `; of another name, which stay: ${others.join(', ')}` : '') +
    (Array.isArray(unread) ? `; cannot be read: ${unread.join(', ')}` : ''),
  'parent-crl': ({ isKeyAtHand: isAtHand }) => `the parent: ${keyAtHand(isAtHand)}`,
};

function leftInWords(left: DevicesLeft | undefined): readonly string[] {
  const { refused = 0, onHold = 0, replacedInVain = 0 } = left ?? {};
  return [
    ...(refused === 0 ? [] : [`${several(refused, 'device')} refused: not on the allow-list`]),
    ...(onHold === 0 ? [] : [`${several(onHold, 'device')} on hold, without a new one`]),
    ...(replacedInVain === 0
      ? []
      : [
          `${several(replacedInVain, 'device')} with another one that is no good, without a new one`,
        ]),
  ];
}

async function foreseen(
  step: CompromiseStep,
  context: StepContext,
  plan: CompromisePlan,
  population: Population,
): Promise<Foreseen> {
  return step === 'reissue'
    ? wouldReissue(context, plan, population)
    : { would: await would[step](context, plan, population) };
}

type Would = (
  context: StepContext,
  plan: CompromisePlan,
  population: Population,
) => Promise<StepFacts>;

const would: Readonly<Record<Exclude<CompromiseStep, 'reissue'>, Would>> = {
  async successor(context, { wish: { successor } }) {
    if (successor === undefined) return {};
    const { data, old } = context;
    const there = await findAuthority(data, successor.name);
    if (there !== undefined) {
      assertSuccessor(there, old, Date.now());
      return { isThere: true };
    }
    const { name: under, place } = await parentOfSuccessor(context, successor, Date.now());
    return { isThere: false, under, isKeyAtHand: place !== undefined };
  },
  close(_, __, { orders }) {
    const open = orders.filter(({ state }) => state === 'open').length;
    return Promise.resolve({ orders: orders.length, open });
  },
  drain(_, { wish }, { inFlight, deadLettered }) {
    const isAtRisk = wish.isCaFirst && inFlight > 0;
    return Promise.resolve({
      ...{ inFlight, deadLettered },
      ...(isAtRisk ? { mayBeTurnedAway: inFlight } : {}),
    });
  },
  async revoke({ client }, { wish, deviceReason: reason }, { issued }) {
    if (issued === 0) return { revoked: 0, before: 0, pending: 0 };
    const { counts } = await lookAt(client, {
      operationId: revokeOperationOf(wish),
      selection: { issuer: wish.issuer },
      work: { kind: 'revoke', reason },
    });
    const { changed: revoked, unchanged, refused, pending } = counts;
    return { revoked, before: unchanged + refused, pending };
  },
  async crls({ client }, { wish }) {
    const { shards: crls, full } = await client.crlState(wish.issuer);
    return { crls, behind: full.behind };
  },
  async 'revoke-ca'(context, plan) {
    const { certificates, others, unread } = await certificatesToRevoke(context, plan);
    const elsewhere = certificates.filter(({ signers }) => signers.length === 0).length;
    return {
      ...{ certificates: certificates.length, elsewhere },
      ...(others.length === 0 ? {} : { others: others.map(({ file }) => file) }),
      ...(unread.length === 0 ? {} : { unread }),
    };
  },
  async 'parent-crl'(context, plan) {
    const { certificates } = await certificatesToRevoke(context, plan);
    return {
      isKeyAtHand: certificates.every(({ signers: [first] }) => first && isKeyAtHand(first.ca)),
    };
  },
};

async function wouldReissue(
  { client, data }: StepContext,
  { wish }: CompromisePlan,
  { profiles }: Population,
): Promise<Foreseen> {
  const { issuer, successor } = wish;
  if (successor === undefined) return { would: {} };
  const isThere = (await findAuthority(data, successor.name)) !== undefined;
  const would: Record<string, number> = {};
  const left = { refused: 0, onHold: 0, replacedInVain: 0 };
  for (const [index, profile] of [...profiles.keys()].entries()) {
    const selection = { issuer, profile };
    const operationId = reissueOperationOf(wish, index);
    // Until the new issuer is there, a reissue under it cannot be asked about: one under the old counts alike.
    const work = { kind: 'reissue', issuer: isThere ? successor.name : issuer, profile } as const;
    const { counts, reasons = {} } = await lookAt(client, { operationId, selection, work });
    would[profile] = counts.submitted;
    left.refused += counts.refused;
    left.onHold += reasons['CERTIFICATE_ON_HOLD'] ?? 0;
    left.replacedInVain += reasons['REPLACEMENT_NOT_GOOD'] ?? 0;
  }
  return { would, ...(Object.values(left).some((count) => count > 0) ? { left } : {}) };
}

function lookAt(
  client: StepContext['client'],
  wanted: Omit<NewMassOperation, 'dryRun'>,
): Promise<MassOperationView> {
  return client.beginOperation({ ...wanted, dryRun: true });
}
