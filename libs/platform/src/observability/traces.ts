import type { Lane } from '@certmill/domain';
import type { StageObserver } from '@certmill/pipeline';
import type { Stoppable } from '@certmill/ports';
import { traceparentOf } from './traceparent.js';

export interface TracedCall {
  /** The call's own header, as it came. */
  readonly traceparent: string | undefined;
  readonly tenant: string;
  readonly lane: Lane;
}

export interface IngestOutcome {
  readonly batch?: string;
  /** That are durable now. */
  readonly requests?: number;
  readonly error?: unknown;
}

/** An upload or an enrolment, as a trace shows it. */
export interface IngestSpan {
  /** W3C Trace Context for its chunks; absent where the caller sent none and nothing is traced. */
  readonly traceparent: string | undefined;
  end(outcome: IngestOutcome): void;
}

/** Makes spans of calls that bring requests in. */
export interface Traces {
  ingest(call: 'upload' | 'enroll', traced: TracedCall): IngestSpan;
}

/** Traces of one process on their way to a collector. */
export interface Tracing extends Traces, Stoppable {
  readonly begun: NonNullable<StageObserver['begun']>;
}

/** Injection token of Traces. */
export const tracesToken = Symbol('Traces');

/** Traces nothing; what the caller sent is handed on all the same. */
export const noTraces: Traces = {
  ingest: (_call, { traceparent }) => ({
    traceparent: traceparentOf(traceparent),
    end: () => undefined,
  }),
};
