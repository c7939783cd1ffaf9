import type { SpanExporter } from '@opentelemetry/sdk-trace';
import type { createLogger } from './logger.js';

/** How an export ended, the SDK's enum as a number. */
export interface ExportEnd {
  readonly code: number;
  readonly error?: Error;
}

const success = 0;

/**
 * An exporter whose outages are told by one line each, at their begin and at their end. To the SDK every
 * export succeeds: what is lost is lost, and nothing is kept for later.
 */
export function toldExporter(
  exporter: SpanExporter,
  logger: ReturnType<typeof createLogger>,
): SpanExporter {
  let lost = 0;
  return {
    export(spans, done: (end: ExportEnd) => void) {
      exporter.export(spans, ({ code, error }: ExportEnd) => {
        if (code !== success) {
          if (lost === 0)
            logger.warn({ reason: reasonOf(error) }, 'traces cannot be sent: they are lost');
          lost += spans.length;
        } else if (lost > 0) {
          logger.info({ lost }, 'traces can be sent again');
          lost = 0;
        }
        done({ code: success });
      });
    },
    shutdown: () => exporter.shutdown(),
  };
}

/** A code or an HTTP status; what a server says beside it does not belong in our log. */
function reasonOf(error: unknown): string | number {
  if (!(error instanceof Object)) return 'UNKNOWN';
  if ('code' in error && (typeof error.code === 'string' || typeof error.code === 'number')) {
    return error.code;
  }
  return 'name' in error && typeof error.name === 'string' ? error.name : 'UNKNOWN';
}
