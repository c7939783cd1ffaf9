import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { aLogger, levels } from './logged-lines.fixture.js';
import { toldExporter, type ExportEnd } from './told-exporter.js';

const failed = (error: Error & { code?: number | string; data?: string }): ExportEnd => ({
  code: 1,
  error,
});

describe('an exporter whose outages are told', () => {
  it('says once that spans are lost, and how many they were when it works again', () => {
    const { logger, lines } = aLogger();
    const results: ExportEnd[] = [
      { code: 0 },
      failed(Object.assign(new Error('hunter1'), { code: 503, data: 'hunter2' })),
      failed(new TypeError('hunter3')),
      { code: 1 },
      { code: 0 },
      { code: 0 },
      failed(Object.assign(new Error(), { code: 'ECONNREFUSED' })),
    ];
    const exporter = toldExporter(
      {
        export: (_spans, done: (end: ExportEnd) => void) => done(results.shift() ?? { code: 0 }),
        shutdown: () => Promise.resolve(),
      },
      logger,
    );
    const spans = Array.from<ReadableSpan>({ length: 4 });
    const told: number[] = [];
    while (results.length > 0) exporter.export(spans, ({ code }: ExportEnd) => told.push(code));
    expect(new Set(told)).toEqual(new Set([0]));
    expect(lines).toEqual([
      expect.objectContaining({ level: levels.warn, reason: 503 }),
      expect.objectContaining({ level: levels.info, lost: 12 }),
      expect.objectContaining({ level: levels.warn, reason: 'ECONNREFUSED' }),
    ]);
    expect(JSON.stringify(lines)).not.toContain('hunter');
  });
});
