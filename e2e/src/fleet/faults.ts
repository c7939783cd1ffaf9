import type { FleetRole } from '@certmill/native';
import { failPoints, type ArmedFailPoint, type FailPointName } from '../crash/fail-point.js';

/** The roles that a certificate goes through. */
type StageRole = Exclude<FleetRole, 'status'>;

/** One thing that goes wrong while a factory uploads. */
export type Fault =
  /** kill -9 with a chunk in hand, or between an effect and its offset. */
  | { readonly kind: 'kill'; readonly role: StageRole; readonly armed: ArmedFailPoint }
  /** kill -9 at any moment. */
  | { readonly kind: 'kill-at-random'; readonly role: StageRole }
  /** Stopped past the session time-out with a chunk in hand; then it goes on. */
  | { readonly kind: 'zombie'; readonly role: StageRole; readonly armed: ArmedFailPoint }
  /** kill -9 of the broker that leads a partition which interactive chunks go through. */
  | { readonly kind: 'broker' }
  /** SIGSTOP: it holds its connections and answers nothing for a while. */
  | { readonly kind: 'store-pause'; readonly forMs: number }
  /** kill -9, and started again with its data after a while. */
  | { readonly kind: 'store-kill'; readonly forMs: number }
  | { readonly kind: 'redis-stop'; readonly forMs: number }
  /** A token answers CKR_DEVICE_ERROR to every signature for a while. */
  | { readonly kind: 'slot-fails'; readonly forMs: number };

/** Where each service dies: with a chunk in hand, and between an effect and its offset. */
const pointsOf: Readonly<Record<StageRole, readonly FailPointName[]>> = {
  ingest: failPoints.ingest,
  validate: [...failPoints.validate, 'validate:handled'],
  sign: [...failPoints.sign, 'sign:handled'],
  publish: [...failPoints.publish, 'publish:after', 'publish:handled'],
};

/** Where a process that others took for dead does the most harm. */
const zombiePoints: readonly { readonly role: StageRole; readonly name: FailPointName }[] = [
  { role: 'sign', name: 'sign:end' },
  { role: 'publish', name: 'publish:before' },
  { role: 'validate', name: 'decide:before' },
];

const roles: readonly StageRole[] = ['sign', 'publish', 'validate', 'ingest'];

/** Of the fleet that is broken. Small chunks: more of them to be killed with. */
export const maxRequestsPerChunk = 256;
/** With fewer chunks for a fault, one process of two meets no later one in time: the first it is. */
const chunksForLateHits = 2;

export interface FaultPlan {
  /** Of the whole run. */
  readonly requests: number;
  /** Kills at fail-points of each role: one after the other, from one that the seed chooses. */
  readonly killsPerRole: number;
  /** The seed chooses the first one's role; the others follow in turn. */
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
  const count = killsPerRole * roles.length + randomKills + zombies + outages * 5;
  const isShort = plan.requests / maxRequestsPerChunk / count < chunksForLateHits;
  const faults: Fault[] = [];
  for (const role of roles) {
    for (const name of inTurn(pointsOf[role], killsPerRole, random)) {
      const latest = name.startsWith('signature') ? (isShort ? 8 : 250) : isShort ? 1 : 2;
      const hit = 1 + Math.floor(random() * latest);
      faults.push({ kind: 'kill', role, armed: { name, hit, lingers: false } });
    }
  }
  for (const role of inTurn(roles, randomKills, random)) {
    faults.push({ kind: 'kill-at-random', role });
  }
  for (const { role, name } of inTurn(zombiePoints, zombies, random)) {
    faults.push({ kind: 'zombie', role, armed: { name, hit: 1, lingers: false, pauses: true } });
  }
  for (let i = 0; i < outages; i += 1) {
    faults.push(
      { kind: 'broker' },
      { kind: 'store-pause', forMs },
      { kind: 'store-kill', forMs },
      { kind: 'redis-stop', forMs },
      { kind: 'slot-fails', forMs },
    );
  }
  return shuffled(faults, random);
}

/** So many of the items, round and round from any. */
function inTurn<T>(items: readonly T[], count: number, random: () => number): T[] {
  const first = Math.floor(random() * items.length);
  return Array.from({ length: count }, (_, i) => items[(first + i) % items.length]!);
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
    case 'store-kill':
    case 'redis-stop':
    case 'slot-fails':
      return `${fault.kind} for ${String(fault.forMs)} ms`;
  }
}
