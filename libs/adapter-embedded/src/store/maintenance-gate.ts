/**
 * While shut, no file of the store is removed or replaced, so that a backup finds every file that
 * its copy of the database names.
 */
export class MaintenanceGate {
  #shutters = 0;
  #waiting: (() => void)[] = [];

  shut(): void {
    this.#shutters += 1;
  }

  open(): void {
    this.#shutters -= 1;
    if (this.#shutters > 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const action of waiting) action();
  }

  get isShut(): boolean {
    return this.#shutters > 0;
  }

  /** Runs the action now, or as soon as the gate is open. */
  whenOpen(action: () => void): void {
    if (this.isShut) this.#waiting.push(action);
    else action();
  }
}
