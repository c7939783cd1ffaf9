import type { CertmillError, FaultCode } from '@certmill/domain';
import type { IssuerOpening } from './sign-messages.js';

/** `resting` failed and is tried again by a task after a while; `refused` is not, see `SlotState`. */
export type IssuerSlotState = 'ready' | 'resting' | 'refused';

/** What is wrong with one issuer's key in a place that serves others. */
export interface IssuerSlotHealth {
  readonly issuer: string;
  /** The issuer's name for it. */
  readonly slot: string;
  readonly state: IssuerSlotState;
  readonly reason?: { readonly code: FaultCode; readonly message: string };
}

export interface RestTimes {
  /** Pause after a failure; doubles up to `maxRestMs`. */
  readonly restMs: number;
  readonly maxRestMs: number;
}

/**
 * An issuer's key in a place, behind a circuit breaker of its own: what is this key's fault never takes
 * the place from the others. Main side.
 */
export class IssuerSlot {
  readonly opening: IssuerOpening;
  private readonly times: RestTimes;
  private readonly onChange: (health: IssuerSlotHealth) => void;
  private state: IssuerSlotState = 'ready';
  private fault: CertmillError | undefined;
  private restMs: number;
  private restsUntilMs = 0;

  constructor(
    opening: IssuerOpening,
    times: RestTimes,
    onChange: (health: IssuerSlotHealth) => void,
  ) {
    this.opening = opening;
    this.times = times;
    this.onChange = onChange;
    this.restMs = times.restMs;
  }

  get name(): string {
    return this.opening.slot.name;
  }

  get health(): IssuerSlotHealth {
    const { issuerName: issuer, slot } = this.opening;
    const { state, fault } = this;
    const reason = fault && { code: fault.code, message: fault.message };
    return { issuer, slot: slot.name, state, ...(reason === undefined ? {} : { reason }) };
  }

  get isReady(): boolean {
    return this.state === 'ready';
  }

  /** Why it is not ready. */
  get reason(): CertmillError | undefined {
    return this.fault;
  }

  /** The fault that keeps it out for good, if one does. */
  get refusal(): CertmillError | undefined {
    return this.state === 'refused' ? this.fault : undefined;
  }

  /** A task may be given to it: it is ready, or has rested enough to be tried with one. */
  get mayTry(): boolean {
    if (this.state === 'resting') return performance.now() >= this.restsUntilMs;
    return this.state === 'ready';
  }

  fail(fault: CertmillError): void {
    // Several tasks that failed at once are one failure.
    if (!this.mayTry) return;
    this.fault = fault;
    this.restsUntilMs = performance.now() + this.restMs;
    this.restMs = Math.min(this.restMs * 2, this.times.maxRestMs);
    this.become(isFinal(fault) ? 'refused' : 'resting');
  }

  succeed(): void {
    if (this.state !== 'resting') return;
    this.fault = undefined;
    this.restMs = this.times.restMs;
    this.become('ready');
  }

  private become(state: IssuerSlotState): void {
    if (state === this.state) return;
    this.state = state;
    this.onChange(this.health);
  }
}

/** Trying again does harm, or changes nothing before somebody has looked. */
export function isFinal({ code }: CertmillError): boolean {
  return code === 'FAULT_KEY_MISMATCH' || code === 'FAULT_HSM_REFUSED';
}

/** Of this key alone, whatever place it is in: it is another's, or not there, or cannot be decrypted. */
export function isOfOneKey({ code }: CertmillError): boolean {
  return code === 'FAULT_KEY_MISMATCH' || code === 'CONFIG_INVALID';
}
