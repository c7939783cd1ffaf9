/** Virtual users for each enrolment a second: answers within a second find a free one. */
const usersPerRate = 1;
const leastUsers = 20;

/** Iterations that begin at a constant rate; those that find no free user are counted as dropped. */
export function arrivals(rate: number, seconds: number): Record<string, string | number> {
  return {
    executor: 'constant-arrival-rate',
    rate,
    timeUnit: '1s',
    duration: `${String(seconds)}s`,
    preAllocatedVUs: usersFor(rate),
  };
}

export function usersFor(rate: number): number {
  return Math.max(leastUsers, Math.ceil(rate * usersPerRate));
}
