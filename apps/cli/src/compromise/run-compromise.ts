import { CertmillError, isCertmillError, type FaultCode } from '@certmill/domain';
import {
  compromiseFileOf,
  runSteps,
  stepsLeft,
  type CompromiseRun,
  type CompromiseStep,
  type StepDoer,
  writeCompromise,
} from '@certmill/trust/compromise';
import type { StepContext } from './step-context.js';
import { steps } from './steps.js';

/** What stopped a run, with the step and how to go on. */
export class RunStopped extends CertmillError {
  /** The code of a server where it gave one. */
  readonly shownCode: string;
  readonly step: CompromiseStep;
  /** As far as it is recorded. */
  readonly run: CompromiseRun;

  constructor(run: CompromiseRun, step: CompromiseStep, message: string, cause: unknown) {
    const code: FaultCode = isCertmillError(cause) ? cause.code : 'FAULT_PROCESSING';
    super(code, message, { cause });
    this.shownCode = hasShownCode(cause) ? cause.shownCode : code;
    this.step = step;
    this.run = run;
  }
}

/**
 * Does what is left of a run, and records it in the data folder. RunStopped where a step cannot be done:
 * typed again, the run goes on with it.
 */
export async function runCompromise(
  context: StepContext,
  begun: CompromiseRun,
): Promise<CompromiseRun> {
  const { terminal, data } = context;
  let recorded = begun;
  const save = async (run: CompromiseRun): Promise<void> => {
    await writeCompromise(data, run);
    recorded = run;
  };
  try {
    return await runSteps({
      run: begun,
      doers: doersIn(context),
      save,
      now: () => Date.now(),
      tell: (step, number, total) => {
        terminal.note(`step ${String(number)} of ${String(total)}: ${steps[step].does}`);
      },
    });
  } catch (error) {
    const [step] = stepsLeft(recorded);
    if (step === undefined) throw error;
    throw new RunStopped(recorded, step, messageOf(error, recorded, step, data), error);
  }
}

function doersIn(context: StepContext): Readonly<Record<CompromiseStep, StepDoer>> {
  const doers = Object.entries(steps).map(([step, { run }]): [string, StepDoer] => [
    step,
    (record, note) => run(context, record, note),
  ]);
  return Object.fromEntries(doers) as Record<CompromiseStep, StepDoer>;
}

function messageOf(
  error: unknown,
  { plan, done }: CompromiseRun,
  step: CompromiseStep,
  data: string,
): string {
  const place = `step ${String(done.length + 1)} of ${String(plan.steps.length)} (${step})`;
  const reason = error instanceof Error ? error.message : 'something that is no error was thrown';
  const { name } = plan.wish;
  return [
    `${place}: ${reason}`,
    steps[step].advice,
    `what is done stays done (${compromiseFileOf(data, name)}): type the same command again to go on`,
  ].join('\n');
}

function hasShownCode(error: unknown): error is { readonly shownCode: string } {
  return error instanceof Error && 'shownCode' in error && typeof error.shownCode === 'string';
}
