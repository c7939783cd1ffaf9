const dayMs = 86_400_000;

/**
 * Whether a certificate is told of so many days before its end. One that lives for less than twice as long is not: it
 * is within them for more than half of the time, and renewed often.
 * @param lifeMs undefined where the end is fixed, which is always told of.
 */
export function livesLongEnough(lifeMs: number | undefined, days: number): boolean {
  return lifeMs === undefined || lifeMs >= 2 * days * dayMs;
}
