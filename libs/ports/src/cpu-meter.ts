/** Something with threads of its own that can say what they cost so far: figures per stage. */
export interface CpuMeter {
  /** User and system CPU of its threads since they started, in microseconds. */
  cpuMicroseconds(): Promise<number>;
}
