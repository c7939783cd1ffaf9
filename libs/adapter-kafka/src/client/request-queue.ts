import RequestQueue from 'kafkajs/src/network/requestQueue/index.js';

let isDone = false;

/**
 * kafkajs 2.2.4 sets a timer after each answer, also where nothing waits; its delay is then some
 * negative date, of which Node warns (TimeoutNegativeWarning), and it fires for nothing. From now on it
 * sets one where a request waits or the broker throttles. Idempotent.
 */
export function scheduleOnlyWhatWaits(): void {
  if (isDone) return;
  isDone = true;
  const { prototype } = RequestQueue;
  const schedule = Object.getOwnPropertyDescriptor(prototype, 'scheduleCheckPendingRequests')
    ?.value as (this: RequestQueue) => void;
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.pending.length > 0 || this.throttledUntil > Date.now()) schedule.call(this);
  };
}
