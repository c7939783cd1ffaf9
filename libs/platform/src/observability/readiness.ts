import type { FaultCode } from '@certmill/domain';

/** Injection token of Readiness. */
export const readinessToken = Symbol('Readiness');

/** Whether the service takes work, as it is now. */
export interface Readiness {
  /** Stages that halted, each with the code of its fault. */
  halted(): readonly { readonly stage: string; readonly code: FaultCode }[];
  /** What the service cannot do without and does not have, e.g. `kafka`; empty once it works. */
  waitingFor(): readonly string[];
}
