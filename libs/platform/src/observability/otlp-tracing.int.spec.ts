import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { DeliveredRecord } from '@certmill/ports';
import { CertmillError } from '@certmill/domain';
import { aLogger, levels } from './logged-lines.fixture.js';
import { openTracing } from './open-tracing.js';
import type { TracingOptions } from './tracing-options.js';
import type { Tracing } from './traces.js';

const sampled = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`;
const aCall = { traceparent: sampled, tenant: 'acme', lane: 'bulk' } as const;

const aRecord = (traceparent?: string): DeliveredRecord => ({
  topic: 't',
  position: '0:0',
  key: '',
  value: Buffer.of(),
  headers: traceparent === undefined ? {} : { traceparent },
});

/** A collector that counts spans, and may hang. */
class Collector implements AsyncDisposable {
  spans = 0;
  isHanging = false;
  readonly #held: ServerResponse[] = [];
  #server: Server | undefined;
  #port = 0;

  get url(): string {
    return `http://127.0.0.1:${String(this.#port)}/`;
  }

  async start(): Promise<this> {
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => (body += String(chunk)));
      request.on('end', () => {
        this.spans += body.split('"spanId"').length - 1;
        if (this.isHanging) this.#held.push(response);
        else response.end();
      });
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (server.address() as AddressInfo).port;
    return this;
  }

  /** Answers whatever waits for an answer. */
  release(): void {
    this.isHanging = false;
    for (const response of this.#held.splice(0)) response.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const server = this.#server;
    server?.closeAllConnections();
    await new Promise((resolve) => server?.close(resolve));
  }
}

async function until(isTrue: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error('it did not come true');
    await pause(5);
  }
}

async function aTracing(collector: Collector, options: Partial<TracingOptions> = {}) {
  const { logger, lines } = aLogger();
  const { url } = collector;
  const tracing = await openTracing({
    ...{ url, ratio: 0, service: 'certmill-test', logger, delayMs: 20 },
    ...options,
  });
  return { tracing, lines };
}

const spansOf = (tracing: Tracing, count: number): void => {
  for (let i = 0; i < count; i++) tracing.ingest('upload', aCall).end({ requests: 1 });
};

describe('traces on their way to a collector', () => {
  it('are all sent at a stop', async () => {
    await using collector = await new Collector().start();
    const { tracing, lines } = await aTracing(collector, { delayMs: 60_000 });
    spansOf(tracing, 1_500);
    expect(collector.spans).toBe(0);
    await tracing.stop(10_000);
    expect([collector.spans, lines]).toEqual([1_500, []]);
  });

  it('are lost while it is away, which is told when it begins and when it ends', async () => {
    await using collector = await new Collector().start();
    const { tracing, lines } = await aTracing(collector);
    await collector[Symbol.asyncDispose]();
    spansOf(tracing, 3);
    await until(() => lines.length > 0);
    expect(lines).toEqual([
      expect.objectContaining({ level: levels.warn, reason: expect.any(String) as string }),
    ]);
    await collector.start();
    await until(() => {
      spansOf(tracing, 1);
      return lines.length > 1;
    });
    expect(collector.spans).toBeGreaterThan(0);
    expect(lines[1]).toMatchObject({ level: levels.info, msg: 'traces can be sent again' });
    await tracing.stop(10_000);
  });

  it('wait in a bounded queue while it hangs, hold up nobody, and no stop for long', async () => {
    await using collector = await new Collector().start();
    collector.isHanging = true;
    const { tracing, lines } = await aTracing(collector, { maxQueue: 100 });
    spansOf(tracing, 1_000);
    await until(() => collector.spans > 0);
    spansOf(tracing, 1_000);
    const begun = performance.now();
    await tracing.stop(60_000);
    expect(performance.now() - begun).toBeLessThan(30_000);
    // The batch that was on its way, and what the queue held.
    expect(collector.spans).toBe(200);
    // Of a collector that hangs for three seconds, which a busy machine is at until here, it is told.
    expect(lines.filter(({ level }) => level !== levels.warn)).toEqual([]);
    collector.release();
  });
});

describe('whether a chunk is traced', () => {
  it('is what its record says, and nothing is made where that is no', async () => {
    await using collector = await new Collector().start();
    const { tracing } = await aTracing(collector, { ratio: 1 });
    expect(tracing.begun('sign', aRecord(sampled.replace(/01$/, '00')))).toBeUndefined();
    const span = tracing.begun('sign', aRecord(sampled));
    expect(span?.traceparent).toMatch(new RegExp(`^00-${'ab'.repeat(16)}-[0-9a-f]{16}-01$`));
    expect(span?.traceparent).not.toBe(sampled);
    span?.end(new CertmillError('FAULT_HSM_LOST', ''));
    await tracing.stop(10_000);
    expect(collector.spans).toBe(1);
  });

  it('is chosen where its record says nothing, and handed on either way', async () => {
    await using collector = await new Collector().start();
    const never = await aTracing(collector, { ratio: 0 });
    const always = await aTracing(collector, { ratio: 1 });
    for (const traceparent of [undefined, 'garbage']) {
      const untraced = never.tracing.begun('validate', aRecord(traceparent));
      expect(untraced?.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
      untraced?.end(new Error('none'));
      const traced = always.tracing.begun('validate', aRecord(traceparent));
      expect(traced?.traceparent).toMatch(/-01$/);
      traced?.end(new Error('none'));
    }
    await never.tracing.stop(10_000);
    await always.tracing.stop(10_000);
    expect(collector.spans).toBe(2);
  });
});
