import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';

/** What figures depend on; they mean nothing without it. */
export interface Machine {
  readonly cores: number;
  readonly model: string;
  readonly memoryGiB: number;
  readonly node: string;
  readonly openssl: string | null;
  readonly loadBefore: number;
}

export function describeMachine(openssl: string | undefined): Machine {
  return {
    cores: availableParallelism(),
    model: cpus()[0]?.model ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    openssl: openssl ?? null,
    loadBefore: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}

/** Names the baseline of machines of this kind: what is the same from run to run. */
export function machineName({ cores, model, memoryGiB }: Machine): string {
  const words =
    model
      .toLowerCase()
      .replace(/\(r\)|\(tm\)/g, '')
      .match(/[a-z0-9.]+/g) ?? [];
  return [`${String(cores)}-cores`, `${String(memoryGiB)}-gib`, ...words].join('-');
}

/** How far apart two limits are on a machine that does nothing else. */
const limitSpread = 0.2;

/** Whether the machine had other work: load before the run, or limits that differ. */
export function isDisturbed(
  { cores, loadBefore }: Pick<Machine, 'cores' | 'loadBefore'>,
  limits: readonly number[],
): boolean {
  return loadBefore > cores / 2 || Math.min(...limits) < Math.max(...limits) * (1 - limitSpread);
}
