declare module 'kafkajs/src/network/requestQueue/index.js' {
  /** As far as it is touched here. */
  class RequestQueue {
    readonly pending: readonly unknown[];
    /** Milliseconds since the epoch; -1 where the broker has never throttled. */
    readonly throttledUntil: number;
    scheduleCheckPendingRequests(): void;
  }
  export = RequestQueue;
}
