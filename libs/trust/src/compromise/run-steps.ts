import type { CompromisePlan, CompromiseStep } from './plan.js';
import type { CompromiseRun, StepFacts } from './run-record.js';

/**
 * Keeps what a step has to know when it is done again: `begun.noted` of its run has it then. Durable before it resolves;
 * what it was before is replaced.
 */
export type Note = (noted: StepFacts) => Promise<void>;

/** Does one step. Done again after a kill, it MUST have its effect once, and tell the same. */
export type StepDoer = (run: CompromiseRun, note: Note) => Promise<StepFacts>;

export interface StepsToRun {
  readonly run: CompromiseRun;
  readonly doers: Readonly<Record<CompromiseStep, StepDoer>>;
  /** Durable before it resolves. */
  readonly save: (run: CompromiseRun) => Promise<void>;
  readonly now: () => number;
  /** Told before each step: its place among all, from 1. */
  readonly tell?: (step: CompromiseStep, number: number, total: number) => void;
}

/**
 * Does the steps of a run that are not done, in order, each recorded before and after. Killed anywhere
 * it is called again: what is recorded as done is not done again. Where a step throws, those before
 * it stay done.
 */
export async function runSteps(steps: StepsToRun): Promise<CompromiseRun> {
  const { doers, save, now, tell } = steps;
  const { plan } = steps.run;
  let { run } = steps;
  for (const [index, step] of plan.steps.entries()) {
    if (run.done.some((done) => done.step === step)) continue;
    const begun = run.begun?.step === step ? run.begun : { step, atMs: now() };
    if (begun !== run.begun) await save((run = { ...run, begun }));
    tell?.(step, index + 1, plan.steps.length);
    const begunRun = run;
    const note: Note = (noted) => save({ ...begunRun, begun: { ...begun, noted } });
    const facts = await doers[step](begunRun, note);
    // A clock may be set back meanwhile.
    const endedAtMs = Math.max(begun.atMs, now());
    const done = [...run.done, { step, startedAtMs: begun.atMs, endedAtMs, facts }];
    await save((run = { plan, done }));
  }
  return run;
}

/** The facts of a step that is done; empty where it is not. */
export function factsOf({ done }: Pick<CompromiseRun, 'done'>, step: CompromiseStep): StepFacts {
  return done.find((record) => record.step === step)?.facts ?? {};
}

export function stepsLeft({ plan, done }: CompromiseRun): readonly CompromiseStep[] {
  return leftOf(plan, done);
}

function leftOf(
  { steps }: Pick<CompromisePlan, 'steps'>,
  done: CompromiseRun['done'],
): readonly CompromiseStep[] {
  return steps.filter((step) => !done.some((record) => record.step === step));
}
