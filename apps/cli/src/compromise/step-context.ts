import { CertmillError } from '@certmill/domain';
import type { CompromiseRun, Note, StepFacts } from '@certmill/trust/compromise';
import type { Approval } from '@certmill/trust/approvals';
import type { Issuer } from '@certmill/trust';
import type { IssuanceClient } from '../client/issuance-client.js';
import type { Terminal } from '../terminal/terminal.js';

/** What may differ each time that a run is typed: where things are, and how long to wait for them. */
export interface Circumstances {
  readonly parentData?: string;
  readonly parentPassphraseFile?: string;
  /** CRLs that were carried from CAs whose keys are elsewhere. */
  readonly parentCrl: readonly string[];
  /** Until the next CRL of a CA above. */
  readonly next: string;
  readonly timeoutSeconds: number;
  /** Of the quorums of data folders and server. */
  readonly approvals: readonly Approval[];
  /** So many devices may be without a new certificate when the old ones are revoked. */
  readonly leaveBehind: number;
}

export interface StepContext {
  readonly terminal: Terminal;
  readonly client: IssuanceClient;
  /** The data folder of the issuer. */
  readonly data: string;
  readonly old: Issuer;
  readonly circumstances: Circumstances;
}

export type Step = (context: StepContext, run: CompromiseRun) => Promise<StepFacts>;

/** One that has to know more than its run when it is done again. */
export type NotingStep = (
  context: StepContext,
  run: CompromiseRun,
  note: Note,
) => Promise<StepFacts>;

/** The folders in which CAs above are looked for. */
export function foldersOf({ data, circumstances }: StepContext): readonly string[] {
  const { parentData } = circumstances;
  return parentData === undefined ? [data] : [parentData, data];
}

/** The run waits for somebody or something: STEP_WAITS. */
export function waits(message: string): CertmillError {
  return new CertmillError('STEP_WAITS', message);
}

/** Asks again and again until it is so; STEP_WAITS with what it waited for once the time is over. */
export interface Looking<T> {
  readonly look: () => Promise<T>;
  readonly isThere: (seen: T) => boolean;
  readonly pauseMs: number;
  readonly wait: (ms: number) => Promise<void>;
  readonly elapsedMs: () => number;
  readonly timeoutSeconds: number;
  readonly missing: (seen: T) => string;
}

export async function lookUntil<T>(looking: Looking<T>): Promise<T> {
  const { look, isThere, pauseMs, wait, elapsedMs, timeoutSeconds, missing } = looking;
  const endMs = elapsedMs() + timeoutSeconds * 1_000;
  for (;;) {
    const begunMs = elapsedMs();
    const seen = await look();
    if (isThere(seen)) return seen;
    // A look may take long itself: it is not all that the server does.
    const pause = Math.max(pauseMs, 4 * (elapsedMs() - begunMs));
    if (elapsedMs() + pause > endMs) {
      throw waits(`${missing(seen)} after ${String(timeoutSeconds)} s (--timeout)`);
    }
    await wait(pause);
  }
}
