import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What OpenSSL itself can do on this machine, all cores: the limit that every figure is a ratio of. */
export interface MachineLimit {
  readonly signPerSecond: number;
  readonly verifyPerSecond: number;
  /** 1 / (1 / sign + 1 / verify): certificates a second if nothing but P-256 were to be done. */
  readonly certificatesPerSecond: number;
  readonly version: string;
}

/** A rate beside the limits that were measured around it. */
export interface RateToLimit {
  readonly endToEndPerSecond: number;
  /** The higher one of before and after; null where there is no openssl to measure it with. */
  readonly limitPerSecond: number | null;
  /** Before and after: where they are far apart, the machine had other work. */
  readonly limitsPerSecond: readonly number[];
  readonly ratio: number | null;
}

export function rateToLimit(perSecond: number, limits: readonly MachineLimit[]): RateToLimit {
  const limit = Math.max(0, ...limits.map(({ certificatesPerSecond }) => certificatesPerSecond));
  return {
    endToEndPerSecond: Math.round(perSecond),
    limitPerSecond: limit === 0 ? null : Math.round(limit),
    limitsPerSecond: limits.map((each) => Math.round(each.certificatesPerSecond)),
    ratio: limit === 0 ? null : Math.round((perSecond / limit) * 1000) / 1000,
  };
}

/** Runs `openssl speed -multi <cores> ecdsap256`; undefined where there is no openssl to compare with. */
export async function measureLimit(seconds: number): Promise<MachineLimit | undefined> {
  try {
    const { stdout: version } = await run('openssl', ['version']);
    const { stdout } = await run('openssl', [
      'speed',
      '-mr',
      '-seconds',
      String(seconds),
      '-multi',
      String(availableParallelism()),
      'ecdsap256',
    ]);
    return limitOf(stdout, version.trim());
  } catch {
    return undefined;
  }
}

/** Machine-readable summary line: `+F4:<n>:<bits>:<seconds per sign>:<seconds per verify>` (or ops/s). */
export function limitOf(output: string, version: string): MachineLimit | undefined {
  const fields = /^\+F4:\d+:256:([\d.e+-]+):([\d.e+-]+)/m.exec(output);
  if (fields === null) return undefined;
  const signPerSecond = rateOf(Number(fields[1]));
  const verifyPerSecond = rateOf(Number(fields[2]));
  if (!(signPerSecond > 0) || !(verifyPerSecond > 0)) return undefined;
  return {
    signPerSecond,
    verifyPerSecond,
    certificatesPerSecond: 1 / (1 / signPerSecond + 1 / verifyPerSecond),
    version,
  };
}

/** OpenSSL up to 3.x prints seconds per operation here, newer ones operations a second. */
function rateOf(field: number): number {
  return field < 1 ? 1 / field : field;
}
