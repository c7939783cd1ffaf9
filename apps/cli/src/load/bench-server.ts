import { newApiKey } from '@certmill/platform';
import { serve, serveSchema, type IssuanceCpu } from '@certmill/standalone';
import { slowDisks } from './slow-disk.js';

/** What the bench asks its server process. */
export type BenchQuestion = 'cpu' | 'stop';

export interface BenchReady {
  readonly kind: 'ready';
  readonly url: string;
  readonly key: string;
  /** From the start of the process to listening. */
  readonly readySeconds: number;
}

export interface BenchCpu {
  readonly kind: 'cpu';
  readonly cpu: IssuanceCpu;
}

/** The tenant that a bench issues for. */
const tenant = 'bench';

// A process of its own, so that the client's work is not on the server's main thread: `serve` as it
// is, in its default configuration, on any free port.
const [data = '', fsyncMs = '0'] = process.argv.slice(2);
const config = serveSchema.parse({ data, http: { port: 0 }, logLevel: 'warn' });
const server = await serve(config, slowDisks(Number(fsyncMs)));
const { services } = server.issuance;
await services.openTenant(tenant);
const { key, keyHash } = newApiKey();
await services.tenants.addCredential({
  keyHash,
  tenant,
  role: 'operator',
  label: 'bench',
  createdAtMs: Date.now(),
});
tell({ kind: 'ready', url: server.url, key, readySeconds: process.uptime() });

process.on('message', (question: BenchQuestion) => {
  if (question === 'cpu') {
    void server.issuance.cpu().then((cpu) => tell({ kind: 'cpu', cpu }));
  } else {
    void server.stop().then(() => process.disconnect());
  }
});
// Without its bench it has nothing to do.
process.on('disconnect', () => process.exit(0));

function tell(message: BenchReady | BenchCpu): void {
  process.send?.(message);
}
