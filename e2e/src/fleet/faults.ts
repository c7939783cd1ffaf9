import type { FleetRole } from '@certmill/native';
import { failPoints, type ArmedFailPoint, type FailPointName } from '../crash/fail-point.js';

/** One thing that goes wrong while a factory uploads. */
export type Fault =
  /** kill -9 with a chunk in hand, or between an effect and its offset. */
  | { readonly kind: 'kill'; readonly role: FleetRole; readonly armed: ArmedFailPoint }
  /** kill -9 at any moment. */
  | { readonly kind: 'kill-at-random'; readonly role: FleetRole }
  /** Stopped past the session time-out with a chunk in hand; then it goes on. */
  | { readonly kind: 'zombie'; readonly role: FleetRole; readonly armed: ArmedFailPoint }
  /** kill -9 of the broker that leads the first partition of a topic. */
  | { readonly kind: 'broker' }
  | { readonly kind: 'store-pause'; readonly forMs: number }
  | { readonly kind: 'redis-stop'; readonly forMs: number }
  /** A token answers CKR_DEVICE_ERROR to every signature for a while. */
  | { readonly kind: 'slot-fails'; readonly forMs: number };

/** Where each service dies: with a chunk in hand, and between an effect and its offset. */
const pointsOf: Readonly<Record<FleetRole, readonly FailPointName[]>> = {
  ingest: failPoints.ingest,
  validate: [...failPoints.validate, 'validate:handled'],
  sign: [...failPoints.sign, 'sign:handled'],
  publish: [...failPoints.publish, 'publish:after', 'publish:handled'],
};

/** Where a process that others took for dead does the most harm. */
const zombiePoints: readonly { readonly role: FleetRole; readonly name: FailPointName }[] = [
  { role: 'sign', name: 'sign:end' },
  { role: 'publish', name: 'publish:before' },
  { role: 'validate', name: 'decide:before' },
];

const roles: readonly FleetRole[] = ['sign', 'publish', 'validate', 'ingest'];

export interface FaultPlan {
  /** Kills at fail-points of each role. */
  readonly killsPerRole: number;
  readonly randomKills: number;
  readonly zombies: number;
  /** Of brokers, store, Redis and slots: each so often. */
  readonly outages: number;
  readonly outageMs: number;
  readonly random: () => number;
}

/** The faults of a run, mixed. */
export function planFaults(plan: FaultPlan): Fault[] {
  const { killsPerRole, randomKills, zombies, outages, outageMs: forMs, random } = plan;
  const faults: Fault[] = [];
  for (const role of roles) {
    const names = pointsOf[role];
    for (let i = 0; i < killsPerRole; i += 1) {
      const name = names[i % names.length]!;
      const hit = 1 + Math.floor(random() * (name.startsWith('signature') ? 250 : 2));
      faults.push({ kind: 'kill', role, armed: { name, hit, lingers: false } });
    }
  }
  for (let i = 0; i < randomKills; i += 1) {
    faults.push({ kind: 'kill-at-random', role: roles[i % roles.length]! });
  }
  for (let i = 0; i < zombies; i += 1) {
    const { role, name } = zombiePoints[i % zombiePoints.length]!;
    faults.push({ kind: 'zombie', role, armed: { name, hit: 1, lingers: false, pauses: true } });
  }
  for (let i = 0; i < outages; i += 1) {
    faults.push(
      { kind: 'broker' },
      { kind: 'store-pause', forMs },
      { kind: 'redis-stop', forMs },
      { kind: 'slot-fails', forMs },
    );
  }
  return shuffled(faults, random);
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const shuffling = [...items];
  for (let i = shuffling.length - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1));
    [shuffling[i], shuffling[j]] = [shuffling[j]!, shuffling[i]!];
  }
  return shuffling;
}

export function nameOf(fault: Fault): string {
  switch (fault.kind) {
    case 'kill':
    case 'zombie':
      return `${fault.kind} ${fault.role} at ${fault.armed.name}`;
    case 'kill-at-random':
      return `kill ${fault.role} at a random moment`;
    case 'broker':
      return 'kill the broker that leads';
    case 'store-pause':
    case 'redis-stop':
    case 'slot-fails':
      return `${fault.kind} for ${String(fault.forMs)} ms`;
  }
}
