import { z } from 'zod';

/** What of a bench report the plan is made from; `certmill fleet bench --json` prints it. */
export const planInputSchema = z.object({
  issued: z.number().positive(),
  services: z
    .array(
      z.object({
        name: z.string(),
        cpuMicroseconds: z.number().nonnegative(),
        maxRssBytes: z.number().nonnegative(),
        /** Absent in older files, null where the process did not tell. */
        readBytes: z.number().nonnegative().nullish(),
        writtenBytes: z.number().nonnegative().nullish(),
      }),
    )
    .min(1),
  /** Octets per certificate appended to each topic's lane. */
  appendedBytes: z.record(z.string(), z.number().nonnegative()),
  machine: z.object({ cores: z.number(), model: z.string() }),
});

export type PlanInput = z.infer<typeof planInputSchema>;

export interface PlanOptions {
  readonly perDay: number;
  /** How much busier the busiest hour is than the mean. */
  readonly peak: number;
  /** Share of a core, a slot or a disk that is planned with; the rest is for bursts and failures. */
  readonly utilisation: number;
  /** Signatures a second of one slot at its best. */
  readonly slotSignatures: number;
  readonly replicas: number;
  /** Hours of requests that the brokers hold while everything behind them stands still. */
  readonly backlogHours: number;
}

export const planDefaults = {
  peak: 2,
  utilisation: 0.6,
  slotSignatures: 5_000,
  replicas: 3,
  backlogHours: 12,
} as const satisfies Omit<PlanOptions, 'perDay'>;

export interface PlannedRole {
  readonly role: string;
  readonly cores: number;
  /** Of two cores each, at least two so that one may be away. */
  readonly processes: number;
  readonly memoryBytes: number;
  /** Read and written at the peak by all of them: network, files and pipes; null: not measured. */
  readonly ioBytesPerSecond: number | null;
}

/** What no bench measures: as options say, and as this module does. */
export interface Assumptions extends Omit<PlanOptions, 'perDay'> {
  /** Octets a certificate that the store keeps besides its segment. */
  readonly journalBytesPerCertificate: number;
}

export interface CapacityPlan {
  readonly perDay: number;
  readonly perSecond: number;
  readonly peakPerSecond: number;
  readonly roles: readonly PlannedRole[];
  readonly slots: number;
  /** Of each bulk topic. */
  readonly partitions: number;
  readonly brokers: {
    /** Written a second at the peak, all replicas. */
    readonly writtenBytesPerSecond: number;
    readonly networkBitsPerSecond: number;
    readonly backlogBytes: number;
  };
  readonly store: {
    readonly writtenBytesPerSecond: number;
    /** All replicas. */
    readonly bytesPerDay: number;
    readonly bytesPerYear: number;
  };
  readonly assumed: Assumptions;
}

const secondsPerDay = 86_400;
const coresPerProcess = 2;
const minProcesses = 2;
/** Partitions of a bulk topic that each process has at least, so that work is spread evenly. */
const partitionsPerProcess = 3;
const minPartitions = 24;
/** Of a segment the record of `issued` is all; verdict, claims and index entries come on top: a guess. */
const journalBytesPerCertificate = 250;

/** Interactive processes are a handful at any size; the plan is for bulk. */
function roleOf(name: string): string | undefined {
  return /^(ingest|validate|sign|publish)/.exec(name)?.[1];
}

/** What a fleet needs for so many certificates a day, from what one batch was measured to cost. */
export function planCapacity(input: PlanInput, options: PlanOptions): CapacityPlan {
  const { perDay, ...assumed } = options;
  const { peak, utilisation, slotSignatures, replicas, backlogHours } = assumed;
  const perSecond = perDay / secondsPerDay;
  const peakPerSecond = perSecond * peak;
  const byRole = Map.groupBy(input.services, ({ name }) => roleOf(name));
  const roles = [...byRole].flatMap(([role, services]): PlannedRole[] => {
    if (role === undefined) return [];
    const cpuMicroseconds = services.reduce((sum, each) => sum + each.cpuMicroseconds, 0);
    const maxRssBytes = Math.max(...services.map((each) => each.maxRssBytes));
    const ioBytes = services.reduce<number | null>((sum, { readBytes, writtenBytes }) => {
      const isTold = typeof readBytes === 'number' && typeof writtenBytes === 'number';
      return sum !== null && isTold ? sum + readBytes + writtenBytes : null;
    }, 0);
    const cores = (peakPerSecond * cpuMicroseconds) / 1e6 / utilisation;
    const processes = Math.max(minProcesses, Math.ceil(cores / coresPerProcess));
    const ioBytesPerSecond = ioBytes === null ? null : peakPerSecond * ioBytes;
    return [{ role, cores, processes, memoryBytes: processes * maxRssBytes, ioBytesPerSecond }];
  });
  const mostProcesses = Math.max(0, ...roles.map(({ processes }) => processes));
  const bytesOf = (part: string): number =>
    Object.entries(input.appendedBytes).reduce(
      (sum, [topic, bytes]) => sum + (topic.includes(part) ? bytes : 0),
      0,
    );
  const logBytes = bytesOf('requests.received') + bytesOf('validated') + bytesOf('issued');
  const storeBytes = bytesOf('issued') + journalBytesPerCertificate;
  const written = peakPerSecond * logBytes * replicas;
  return {
    perDay,
    perSecond,
    peakPerSecond,
    roles,
    slots: Math.max(minProcesses, Math.ceil(peakPerSecond / (slotSignatures * utilisation))),
    partitions: Math.max(minPartitions, mostProcesses * partitionsPerProcess),
    brokers: {
      writtenBytesPerSecond: written,
      // In from the producer, out to the other replicas and to the consumer.
      networkBitsPerSecond: peakPerSecond * logBytes * (1 + replicas) * 8,
      backlogBytes: peakPerSecond * logBytes * replicas * backlogHours * 3_600,
    },
    store: {
      writtenBytesPerSecond: peakPerSecond * storeBytes * replicas,
      bytesPerDay: perDay * storeBytes * replicas,
      bytesPerYear: perDay * 365 * storeBytes * replicas,
    },
    assumed: { ...assumed, journalBytesPerCertificate },
  };
}
