/** Upper bounds of the latency histogram; one more bucket is for what took longer. */
export const latencyBoundsSeconds: readonly number[] = [
  0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5,
  2.5,
];

/** What a slot was used for. Numbers only grow; of signatures that were made in vain too. */
export interface SlotUsage {
  readonly signatures: number;
  /** Time that its workers had chunks in hand, summed over the workers. */
  readonly busySeconds: number;
  /** Sessions and logins that were lost and restored between two signatures. */
  readonly repairs: number;
  /** How long single signatures took. */
  readonly latency: {
    readonly sumSeconds: number;
    /** Signatures per bucket of `latencyBoundsSeconds`, not cumulated, and those above. */
    readonly counts: readonly number[];
  };
}

/** Collects usage: in a worker what its next reply tells, in the pool what all of them told. */
export class UsageMeter {
  private readonly counts = latencyBoundsSeconds.map(() => 0).concat(0);
  private sumSeconds = 0;
  private busySeconds = 0;
  private repairs = 0;

  noteSignature(seconds: number): void {
    let bucket = 0;
    while (seconds > (latencyBoundsSeconds[bucket] ?? Infinity)) bucket++;
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
    this.sumSeconds += seconds;
  }

  noteChunk(seconds: number, repairs: number): void {
    this.busySeconds += seconds;
    this.repairs += repairs;
  }

  add({ busySeconds, repairs, latency }: SlotUsage): void {
    this.noteChunk(busySeconds, repairs);
    this.sumSeconds += latency.sumSeconds;
    latency.counts.forEach((count, bucket) => {
      this.counts[bucket] = (this.counts[bucket] ?? 0) + count;
    });
  }

  get usage(): SlotUsage {
    return {
      signatures: this.counts.reduce((sum, count) => sum + count, 0),
      busySeconds: this.busySeconds,
      repairs: this.repairs,
      latency: { sumSeconds: this.sumSeconds, counts: [...this.counts] },
    };
  }

  /** What came together since the last call. */
  take(): SlotUsage {
    const { usage } = this;
    this.counts.fill(0);
    this.sumSeconds = this.busySeconds = this.repairs = 0;
    return usage;
  }
}
