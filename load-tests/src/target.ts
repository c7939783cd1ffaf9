/** What is under load: each kind has thresholds and baselines of its own. */
export type TargetKind = 'server' | 'fleet';

/** One process of it. */
export interface TargetProcess {
  readonly name: string;
  readonly metricsUrl: string;
}

export interface LoadTarget {
  readonly kind: TargetKind;
  readonly url: string;
  /** Of a role that may open tenants. */
  readonly key: string;
  /** For the report: what it is, and how it was set up. */
  readonly description: string;
  readonly processes: readonly TargetProcess[];
  stop(): Promise<void>;
}

/** A server that runs already; it is left as it is. */
export function givenTarget(server: { readonly url: string; readonly key: string }): LoadTarget {
  return {
    kind: 'server',
    url: server.url.replace(/\/+$/, ''),
    key: server.key,
    description: `a server that was there: ${new URL(server.url).origin}`,
    processes: [{ name: 'server', metricsUrl: new URL('/metrics', server.url).href }],
    stop: () => Promise.resolve(),
  };
}
