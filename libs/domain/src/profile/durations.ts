const secondsPerUnit = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800, y: 31_536_000 } as const;

/** A whole number and a unit; a year is 365 days. */
export const durationPattern = /^(0|[1-9][0-9]{0,9})(s|m|h|d|w|y)$/;

/** Seconds of a duration such as `90s`, `5m`, `12h`, `30d`, `2w` or `20y`; NaN where it is none. */
export function durationSeconds(text: string): number {
  const match = durationPattern.exec(text);
  if (match === null) return Number.NaN;
  const [, count = '', unit = 's'] = match;
  return Number(count) * secondsPerUnit[unit as keyof typeof secondsPerUnit];
}
