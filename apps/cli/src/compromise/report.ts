import {
  factsOf,
  stepsLeft,
  type CompromiseRun,
  type CompromiseStep,
  type StepFacts,
} from '@certmill/trust/compromise';
import { formatDuration, formatNumber } from '../terminal/quantities.js';
import { tableLines } from '../terminal/table.js';
import { devicesWithout } from './left-behind.js';

/** A run for scripts. */
export interface CompromiseView {
  readonly name: string;
  readonly issuer: string;
  readonly successor?: string;
  readonly reason: string;
  readonly deviceReason: string;
  readonly state: 'done' | 'stopped';
  readonly beganAt: string;
  readonly steps: readonly StepView[];
  /** What somebody has still to do, or to know, in words. */
  readonly left: readonly string[];
}

export interface StepView {
  readonly step: CompromiseStep;
  readonly state: 'done' | 'begun' | 'to do';
  readonly startedAt?: string;
  readonly endedAt?: string;
  readonly seconds?: number;
  readonly facts?: StepFacts;
}

export function compromiseView(run: CompromiseRun): CompromiseView {
  const { wish, deviceReason, createdAtMs } = run.plan;
  return {
    name: wish.name,
    issuer: wish.issuer,
    ...(wish.successor === undefined ? {} : { successor: wish.successor.name }),
    reason: wish.reason,
    deviceReason,
    state: stepsLeft(run).length === 0 ? 'done' : 'stopped',
    beganAt: new Date(createdAtMs).toISOString(),
    steps: run.plan.steps.map((step) => stepView(run, step)),
    left: leftOf(run),
  };
}

function stepView({ done, begun }: CompromiseRun, step: CompromiseStep): StepView {
  const record = done.find((each) => each.step === step);
  if (record === undefined) {
    if (begun?.step !== step) return { step, state: 'to do' };
    return { step, state: 'begun', startedAt: new Date(begun.atMs).toISOString() };
  }
  const { startedAtMs, endedAtMs, facts } = record;
  return {
    step,
    state: 'done',
    startedAt: new Date(startedAtMs).toISOString(),
    endedAt: new Date(endedAtMs).toISOString(),
    seconds: Math.round(endedAtMs - startedAtMs) / 1_000,
    facts,
  };
}

/** What a run leaves to people, of the steps that are done. */
export function leftOf(run: CompromiseRun): readonly string[] {
  const { wish, steps } = run.plan;
  const reissue = factsOf(run, 'reissue');
  const count = (facts: StepFacts, name: string): number => Number(facts[name] ?? 0);
  const without = devicesWithout(reissue);
  const inVain = count(reissue, 'replacedInVain');
  const drain = factsOf(run, 'drain');
  const turnedAway = count(drain, 'turnedAway');
  const pending = count(factsOf(run, 'revoke'), 'pending');
  const isOver = stepsLeft(run).length === 0;
  const ca = factsOf(run, 'revoke-ca');
  const reason = String(ca['reason'] ?? wish.reason);
  const { successor } = wish;
  const anew = successor === undefined ? 'elsewhere' : `under an order of '${successor.name}'`;
  return [
    ...(turnedAway === 0
      ? []
      : [
          `${formatNumber(turnedAway)} requests that were accepted under '${wish.issuer}' have no certificate, for their ` +
            `orders were closed (ORDER_CLOSED): upload them again ${anew}; 'certmill fetch BATCH --out DIR/' ` +
            `says which, in rejections.ndjson: ${firstOf(namesIn(drain['turnedAwayIn']))}`,
        ]),
    ...(without === 0
      ? []
      : [`${formatNumber(without)} devices have no new certificate: ${nameOf(reissue)}`]),
    ...(inVain === 0
      ? []
      : [
          `${formatNumber(inVain)} devices have another certificate, on hold or under another CA that is revoked: ` +
            `see REPLACEMENT_NOT_GOOD in the results of ${nameOf(reissue)}`,
        ]),
    ...(pending === 0
      ? []
      : [
          `${formatNumber(pending)} requests under '${wish.issuer}' are dead letters: ` +
            `drop them with 'certmill dead-letters drop', and upload them again ${anew}`,
        ]),
    ...(reason === wish.reason
      ? []
      : [`'${wish.issuer}' is revoked for ${reason}, which stays, and not for ${wish.reason}`]),
    ...namesIn(ca['others']).map(
      (file) => `still good, of another name over the same key, which is not lost: ${file}`,
    ),
    ...namesIn(ca['unread']).map(
      (file) => `cannot be read, and may be over the key of '${wish.issuer}' as well: ${file}`,
    ),
    ...(isOver && wish.keepsCa ? [`the CA certificate of '${wish.issuer}' is not revoked`] : []),
    ...(isOver && !wish.keepsCa && !steps.includes('revoke-ca')
      ? [`'${wish.issuer}' is a root: take it out of the trust stores (RFC 5280 6.1)`]
      : []),
  ];
}

/** Batches for people; the run's file has all. */
const namedBatches = 10;

function firstOf(batches: readonly string[]): string {
  const named = batches.slice(0, namedBatches).join(', ');
  const more = batches.length - namedBatches;
  return more > 0 ? `${named}, and ${formatNumber(more)} batches more (--json)` : named;
}

function nameOf({ operations }: StepFacts): string {
  return namesIn(operations).join(', ');
}

function namesIn(value: StepFacts[string] | undefined): readonly string[] {
  return typeof value === 'object' ? value : [];
}

/** The same for people. */
export function compromiseLines(view: CompromiseView): readonly string[] {
  const rows = view.steps.map(({ step, state, seconds, facts = {} }) => [
    step,
    state,
    seconds === undefined ? '' : formatDuration(seconds),
    told[step](facts),
  ]);
  const place = view.successor === undefined ? '' : `, ${view.successor} takes its place`;
  return [
    `run ${view.name}: ${view.issuer} is given up (${view.reason})${place}`,
    ...tableLines(['step', 'state', 'time', 'what'], rows),
    ...view.left.map((line) => `left: ${line}`),
  ];
}

type Tell = (facts: StepFacts) => string;

const number = (value: StepFacts[string] | undefined): string => formatNumber(Number(value ?? 0));
const list = (value: StepFacts[string] | undefined): string => namesIn(value).join(', ');

const told: Readonly<Record<CompromiseStep, Tell>> = {
  successor: whenDone(
    ({ name, isMade }) => `${String(name)} is ${isMade === true ? 'made' : 'there'}`,
  ),
  close: whenDone(({ orders }) => `${number(orders)} orders take nothing more`),
  drain: whenDone(
    ({ issued, profiles, turnedAway }) =>
      `${number(issued)} certificates of ${list(profiles) || 'no profile'}` +
      (turnedAway === undefined ? '' : `, ${number(turnedAway)} requests turned away`),
  ),
  reissue: whenDone(
    ({ issued, rejected, deadLettered, skipped, refused, onHold }) =>
      `${number(issued)} issued, ${number(rejected)} rejected, ${number(deadLettered)} dead letters, ` +
      `${number(skipped)} passed over (${number(onHold)} on hold), ${number(refused)} refused`,
  ),
  revoke: whenDone(
    ({ revoked, before, reason }) =>
      `${number(revoked)} revoked (${String(reason ?? 'none there')}), ${number(before)} were so before`,
  ),
  crls: whenDone(({ crls, entries, isExpired }) =>
    isExpired === true
      ? 'the issuer has ended: it makes none'
      : `${number(crls)} full CRLs list ${number(entries)}`,
  ),
  'revoke-ca': whenDone(
    ({ certificates, by, reason }) =>
      `${number(certificates)} CA certificates revoked (${String(reason)}) by ${list(by) || 'a CA elsewhere'}`,
  ),
  'parent-crl': whenDone(({ files }) => list(files)),
};

function whenDone(tell: Tell): Tell {
  return (facts) => (Object.keys(facts).length === 0 ? '' : tell(facts));
}
