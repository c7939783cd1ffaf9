/** What the runner tells the scripts of k6, in a file that only its user may read: it holds a key. */
export interface LoadSettings {
  readonly url: string;
  /** An API key that may open tenants. */
  readonly key: string;
  /** In the names of tenants, so that each run has its own. */
  readonly runId: string;
  /** Requests of one batch. */
  readonly batch: DeviceData;
  /** Requests of a batch before the first that counts: compilers and caches are warm then. */
  readonly warmUp: DeviceData | null;
  /** Requests for single enrolments. */
  readonly singles: DeviceData;
  /** Tenants that upload at once. */
  readonly tenants: number;
  /** Batches of each tenant in `bulk`. */
  readonly batches: number;
  /** Single enrolments a second; in `spike` at its peak. */
  readonly rate: number;
  readonly seconds: number;
  /** In k6's own form: metric -> expressions. */
  readonly thresholds: Readonly<Record<string, readonly string[]>>;
  /** Where the script writes k6's summary. */
  readonly summaryFile: string;
}

/** Devices that were made before the run: their requests as NDJSON, and the allow-list that holds them. */
export interface DeviceData {
  readonly requests: string;
  readonly allowList: string;
  readonly count: number;
}
