const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** `12,345`. */
export function formatNumber(value: number): string {
  return whole.format(value);
}

/** `7 s`, `2 min 5 s`, `3 h 20 min`; tenths below ten seconds. */
export function formatDuration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1).replace('.0', '')} s`;
  const all = Math.round(seconds);
  if (all < 60) return `${String(all)} s`;
  if (all < 3600) return join(Math.floor(all / 60), 'min', all % 60, 's');
  return join(Math.floor(all / 3600), 'h', Math.floor((all % 3600) / 60), 'min');
}

function join(first: number, firstUnit: string, second: number, secondUnit: string): string {
  const rest = second === 0 ? '' : ` ${String(second)} ${secondUnit}`;
  return `${formatNumber(first)} ${firstUnit}${rest}`;
}

/** Octets in powers of 1024: `12 MiB`, `1.5 GiB`. */
export function formatBytes(octets: number): string {
  let value = octets;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || value >= 10 ? 0 : 1;
  return `${value.toFixed(digits).replace('.0', '')} ${units[unit] ?? ''}`;
}

/** A share as `58 %`. */
export function formatPercent(share: number): string {
  return `${String(Math.round(share * 100))} %`;
}

/** `1 object`, `2,345 objects`. */
export function formatCount(count: number, noun: string): string {
  return `${formatNumber(count)} ${noun}${count === 1 ? '' : 's'}`;
}
