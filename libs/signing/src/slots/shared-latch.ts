const free = 0;
const taken = 1;
const closed = 2;

/** By name; owned by the main thread, for what they guard is the process's. */
const memories = new Map<string, SharedArrayBuffer>();

/**
 * Main side: the memory of the latches of these names, for workers. A latch that a worker took with it
 * when it ended is free again.
 */
export function latchMemories(
  names: readonly string[],
): Readonly<Record<string, SharedArrayBuffer>> {
  return Object.fromEntries(
    names.map((name) => {
      const memory = memories.get(name) ?? new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
      memories.set(name, memory);
      Atomics.compareExchange(new Int32Array(memory), 0, taken, free);
      return [name, memory];
    }),
  );
}

/** Worker side: what only one thread of the process may do at a time, or never again. */
export class SharedLatch {
  private readonly cell: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.cell = new Int32Array(memory);
  }

  /** Takes the latch and gives it back after `work`; blocks its thread while another one has it. */
  run(work: () => void, timeoutMs: number): 'done' | 'closed' | 'timed-out' {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const found = Atomics.compareExchange(this.cell, 0, free, taken);
      if (found === free) break;
      if (found === closed) return 'closed';
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) return 'timed-out';
      Atomics.wait(this.cell, 0, taken, leftMs);
    }
    try {
      work();
    } finally {
      Atomics.compareExchange(this.cell, 0, taken, free);
      Atomics.notify(this.cell, 0);
    }
    return 'done';
  }

  /** Nobody runs anything under it any more, until the process ends. */
  close(): void {
    Atomics.store(this.cell, 0, closed);
    Atomics.notify(this.cell, 0);
  }
}
