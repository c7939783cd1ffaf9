/** How much of a scenario is run; each number has an option of its own. */
export interface Size {
  /** Requests of a batch. */
  readonly size: number;
  /** Tenants that upload at once. */
  readonly tenants: number;
  /** Batches of each tenant, in `bulk`. */
  readonly batches: number;
  /** Single enrolments a second. */
  readonly rate: number;
  readonly seconds: number;
  /** Requests of the batch before the first that counts; 0 for none. */
  readonly warmUp: number;
}

export const scenarioNames = ['bulk', 'interactive', 'mixed', 'spike', 'soak'] as const;
export type ScenarioName = (typeof scenarioNames)[number];

/** What is run where no scenario is named: a soak is asked for. */
export const usualScenarios: readonly ScenarioName[] = ['bulk', 'interactive', 'mixed', 'spike'];

const full: Record<ScenarioName, Size> = {
  bulk: { size: 100_000, tenants: 3, batches: 1, rate: 0, seconds: 0, warmUp: 20_000 },
  interactive: { size: 0, tenants: 0, batches: 0, rate: 50, seconds: 60, warmUp: 0 },
  mixed: { size: 20_000, tenants: 2, batches: 0, rate: 20, seconds: 60, warmUp: 0 },
  spike: { size: 0, tenants: 0, batches: 0, rate: 150, seconds: 60, warmUp: 0 },
  soak: { size: 20_000, tenants: 2, batches: 0, rate: 20, seconds: 3_600, warmUp: 0 },
};

/** All of them together within 90 s: that they run, not how fast. */
const short: Record<ScenarioName, Size> = {
  bulk: { size: 5_000, tenants: 2, batches: 1, rate: 0, seconds: 0, warmUp: 0 },
  interactive: { size: 0, tenants: 0, batches: 0, rate: 20, seconds: 8, warmUp: 0 },
  mixed: { size: 5_000, tenants: 1, batches: 0, rate: 10, seconds: 8, warmUp: 0 },
  spike: { size: 0, tenants: 0, batches: 0, rate: 50, seconds: 10, warmUp: 0 },
  soak: { size: 5_000, tenants: 1, batches: 0, rate: 10, seconds: 8, warmUp: 0 },
};

/** What a scenario does not have at all, no option gives it. */
export function sizeOf(name: ScenarioName, isShort: boolean, changes: Partial<Size>): Size {
  const own = Object.entries(changes).filter(([key]) => full[name][key as keyof Size] > 0);
  return { ...(isShort ? short : full)[name], ...Object.fromEntries(own) };
}
