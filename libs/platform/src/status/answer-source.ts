import type { CertIdRange } from '@certmill/der';
import type { SuccessfulAnswer } from '@certmill/pipeline';

/**
 * The answer to a request about one certificate, where it can be read at once; undefined: the main thread
 * has to be asked. MUST NOT throw: what went wrong shows where the main thread meets it.
 */
export type AnswerAtOnce = (
  requestDer: Uint8Array,
  certId: CertIdRange,
  nowMs: number,
) => SuccessfulAnswer | undefined;

/** What the module of an `AnswerSource` exports. */
export interface AnswerModule {
  openAnswers(data: unknown): AnswerAtOnce;
}

/** Where the threads of the status face read answers by themselves. */
export interface AnswerSource {
  /** The URL of an `AnswerModule`: each thread loads it. */
  readonly module: string;
  /** For `openAnswers`; goes by structured clone. */
  readonly data: unknown;
}
