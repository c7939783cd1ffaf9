export interface LineLimits {
  /** Lines of one key that pass in a window. */
  readonly burst: number;
  readonly windowMs: number;
}

const usual: LineLimits = { burst: 10, windowMs: 10_000 };

/**
 * Keeps a loop from flooding the log: of the lines of one key some pass, the others are counted, and the
 * next that passes says how many. Keys MUST come from a closed set.
 */
export class LineLimiter {
  readonly #limits: LineLimits;
  readonly #nowMs: () => number;
  readonly #windows = new Map<string, { beganMs: number; passed: number; keptBack: number }>();

  constructor(limits: LineLimits = usual, nowMs: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#nowMs = nowMs;
  }

  /** Undefined where the line is kept back; else what to add to it. */
  pass(key: string): { readonly keptBack?: number } | undefined {
    const { burst, windowMs } = this.#limits;
    const nowMs = this.#nowMs();
    const window = this.#windows.get(key);
    if (window === undefined || nowMs - window.beganMs >= windowMs) {
      this.#windows.set(key, { beganMs: nowMs, passed: 1, keptBack: 0 });
      return window === undefined || window.keptBack === 0 ? {} : { keptBack: window.keptBack };
    }
    if (window.passed < burst) {
      window.passed++;
      return {};
    }
    window.keptBack++;
    return undefined;
  }
}
