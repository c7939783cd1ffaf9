import type { TracingOptions } from './tracing-options.js';
import type { Tracing } from './traces.js';

/** Where traces are configured: without them the SDK, some 40 modules, is never loaded. */
export async function openTracing(options: TracingOptions): Promise<Tracing> {
  const { OtlpTracing } = await import('./otlp-tracing.js');
  return new OtlpTracing(options);
}
