/** The server under load. A fleet is one more function that gives one (see start-standalone.ts). */
export interface LoadTarget {
  readonly url: string;
  /** Of a role that may open tenants. */
  readonly key: string;
  /** For the report: what it is, and how it was set up. */
  readonly description: string;
  /** Each process of it, by its metrics. */
  readonly metricsUrls: readonly string[];
  stop(): Promise<void>;
}

/** A server that runs already; it is left as it is. */
export function givenTarget(server: { readonly url: string; readonly key: string }): LoadTarget {
  return {
    url: server.url.replace(/\/+$/, ''),
    key: server.key,
    description: `a server that was there: ${new URL(server.url).origin}`,
    metricsUrls: [new URL('/metrics', server.url).href],
    stop: () => Promise.resolve(),
  };
}
