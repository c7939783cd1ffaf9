const free = 0;
const closed = -1;

/** By name; owned by the main thread, for what they guard is the process's. */
const memories = new Map<string, SharedArrayBuffer>();

/**
 * Main side: the memory of the latches of these names, for workers of this owner, of whom none is alive:
 * a latch that one of them took with it when it ended is free again. Another owner's is left alone.
 * @param owner above 0.
 */
export function latchMemories(
  names: readonly string[],
  owner: number,
): Readonly<Record<string, SharedArrayBuffer>> {
  return Object.fromEntries(
    names.map((name) => {
      const memory = memories.get(name) ?? new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
      memories.set(name, memory);
      Atomics.compareExchange(new Int32Array(memory), 0, owner, free);
      return [name, memory];
    }),
  );
}

/** Worker side: what only one thread of the process may do at a time, or never again. */
export class SharedLatch {
  private readonly cell: Int32Array;
  private readonly owner: number;

  constructor(memory: SharedArrayBuffer, owner: number) {
    this.owner = owner;
    this.cell = new Int32Array(memory);
  }

  /** Takes the latch and gives it back after `work`; blocks its thread while another one has it. */
  run(work: () => void, timeoutMs: number): 'done' | 'closed' | 'timed-out' {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const found = Atomics.compareExchange(this.cell, 0, free, this.owner);
      if (found === free) break;
      if (found === closed) return 'closed';
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) return 'timed-out';
      Atomics.wait(this.cell, 0, found, leftMs);
    }
    try {
      work();
    } finally {
      Atomics.compareExchange(this.cell, 0, this.owner, free);
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
