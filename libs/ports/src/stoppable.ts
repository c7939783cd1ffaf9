/** Something with threads, files or sockets of its own, which the app that opened it stops. */
export interface Stoppable {
  /**
   * Takes nothing new (FAULT_STOPPING), waits for what is in hand at most `timeoutMs`, then lets go of
   * everything; what was not done by then ends with FAULT_STOPPING. Idempotent, never rejects.
   */
  stop(timeoutMs: number): Promise<void>;
}
