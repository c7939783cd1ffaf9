import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Span,
  type Tracer,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { isCertmillError } from '@certmill/domain';
import type { ConsumingStage, StageSpan } from '@certmill/pipeline';
import type { DeliveredRecord } from '@certmill/ports';
import { recordIds } from './record-ids.js';
import { requestsOf } from './requests-of.js';
import { toldExporter } from './told-exporter.js';
import { formatTraceparent, isSampled, remoteSpanOf, type RemoteSpan } from './traceparent.js';
import type { IngestSpan, TracedCall, Tracing } from './traces.js';
import type { TracingOptions } from './tracing-options.js';

/** A collector that takes longer to answer counts as away: spans are not worth waiting for. */
const exportTimeoutMs = 3_000;
const maxFlushMs = 2_000;

/** Nothing is registered globally: whatever makes a span here has its parent in hand. */
export class OtlpTracing implements Tracing {
  readonly #provider: TracerProvider;
  readonly #tracer: Tracer;

  constructor({ url, ratio, service, logger, maxQueue = 2_048, delayMs = 1_000 }: TracingOptions) {
    const exporter = new OTLPTraceExporter({
      url: `${url.replace(/\/+$/, '')}/v1/traces`,
      timeoutMillis: exportTimeoutMs,
    });
    this.#provider = new TracerProvider({
      resource: resourceFromAttributes({ 'service.name': service }),
      sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
      spanProcessors: [
        new BatchSpanProcessor({
          exporter: toldExporter(exporter, logger),
          maxQueueSize: maxQueue,
          maxExportBatchSize: Math.min(512, maxQueue),
          scheduledDelayMillis: delayMs,
          exportTimeoutMillis: exportTimeoutMs,
        }),
      ],
    });
    this.#tracer = this.#provider.getTracer('certmill');
  }

  readonly begun = (stage: ConsumingStage, record: DeliveredRecord): StageSpan | undefined => {
    const parent = remoteSpanOf(record.headers['traceparent']);
    // Most chunks: the context is handed on as it came, and nothing is made.
    if (parent !== undefined && !isSampled(parent)) return undefined;
    const span = this.#start(`certmill.${stage}.chunk`, SpanKind.CONSUMER, parent);
    if (span.isRecording()) span.setAttributes(attributesOf(recordIds(record)));
    return {
      traceparent: contextOf(span),
      end(error) {
        if (span.isRecording() && error === undefined) {
          span.setAttribute('certmill.requests', requestsOf(stage, record));
        }
        endSpan(span, error);
      },
    };
  };

  ingest(call: 'upload' | 'enroll', { traceparent, tenant, lane }: TracedCall): IngestSpan {
    const parent = remoteSpanOf(traceparent);
    const span = this.#start(`certmill.ingest.${call}`, SpanKind.SERVER, parent);
    return {
      traceparent: contextOf(span),
      end({ batch, requests, error }) {
        span.setAttributes(attributesOf({ tenant, lane, batch, requests }));
        endSpan(span, error);
      },
    };
  }

  async stop(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const expired = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, Math.min(timeoutMs, maxFlushMs));
    });
    const flushed = this.#provider.shutdown().catch(() => undefined);
    await Promise.race([flushed, expired]);
    clearTimeout(timer);
  }

  #start(name: string, kind: SpanKind, parent: RemoteSpan | undefined): Span {
    return this.#tracer.startSpan(name, { kind }, contextBelow(parent));
  }
}

function contextBelow(parent: RemoteSpan | undefined): Context {
  if (parent === undefined) return ROOT_CONTEXT;
  const { traceId, spanId, flags } = parent;
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: flags,
    isRemote: true,
  });
}

function contextOf(span: Span): string {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return formatTraceparent({ traceId, spanId, flags: traceFlags });
}

type About = Readonly<
  Partial<Record<'tenant' | 'batch' | 'chunk' | 'lane' | 'requests', string | number | undefined>>
>;

function attributesOf(about: About): Attributes {
  return Object.fromEntries(
    Object.entries(about).map(([name, value]) => [`certmill.${name}`, value]),
  );
}

/** Of an error its code only: messages and causes are for the log. */
function endSpan(span: Span, error: unknown): void {
  if (error !== undefined) {
    const code = isCertmillError(error) ? error.code : 'UNKNOWN';
    span.setAttribute('error.type', code);
    span.setStatus({ code: SpanStatusCode.ERROR, message: code });
  }
  span.end();
}
