import type { FleetRole } from './fleet-service.js';

/** One process, as far as its status is asked for. */
export interface ObservedService {
  readonly name: string;
  readonly role: FleetRole;
  readonly operationsUrl: string;
}

export interface FleetStatus {
  readonly atMs: number;
  /** Certificates published since each process began, by the name of its service. */
  readonly issued: ReadonlyMap<string, number>;
  /** Chunks of both lanes that wait, by stage; undefined where ingest does not answer. */
  readonly waiting: Readonly<Record<Stage, number>> | undefined;
  readonly slotsReady: number;
  readonly slots: number;
  readonly ready: number;
  readonly services: number;
  /** What services wait for: `kafka`, `mongodb` or `redis`. */
  readonly waitingFor: ReadonlySet<string>;
}

export const stages = ['validate', 'sign', 'publish'] as const;
export type Stage = (typeof stages)[number];

const answerWithinMs = 3_000;

/** What one process answered. */
export interface ServiceAnswer extends Pick<ObservedService, 'name' | 'role'> {
  /** In Prometheus' text format; undefined where it does not answer. */
  readonly metrics: string | undefined;
  readonly isReady: boolean;
}

/** Asks each process at its operations port; one that does not answer is not ready. */
export async function readFleetStatus(
  services: readonly ObservedService[],
  nowMs: () => number,
): Promise<FleetStatus> {
  const answers = await Promise.all(
    services.map(async ({ name, role, operationsUrl }) => {
      const [metrics, readiness] = await Promise.all([
        textOf(`${operationsUrl}/metrics`),
        textOf(`${operationsUrl}/readyz`),
      ]);
      return { name, role, metrics, isReady: readiness !== undefined };
    }),
  );
  return fleetStatusOf(answers, nowMs());
}

export function fleetStatusOf(answers: readonly ServiceAnswer[], atMs: number): FleetStatus {
  const read = answers.map((answer) => ({ ...answer, samples: samplesIn(answer.metrics) }));
  const slots = read.flatMap(({ samples }) => named(samples, 'certmill_sign_slot_ready'));
  // Ingest tells those of all stages, the others their own.
  const lags = read
    .filter(({ role }) => role === 'ingest')
    .flatMap(({ samples }) => named(samples, 'certmill_log_lag_chunks'));
  const lagOf = (stage: Stage): number => sum(labelled(lags, `group="certmill-${stage}"`));
  const publishing = read.filter(({ role, metrics }) => role === 'publish' && metrics);
  return {
    atMs,
    issued: new Map(
      publishing.map(({ name, samples }) => {
        const ended = named(samples, 'certmill_publish_requests_total');
        return [name, sum(labelled(ended, 'code="none"'))];
      }),
    ),
    waiting:
      lags.length === 0
        ? undefined
        : { validate: lagOf('validate'), sign: lagOf('sign'), publish: lagOf('publish') },
    slotsReady: sum(slots),
    slots: slots.length,
    ready: answers.filter(({ isReady }) => isReady).length,
    services: answers.length,
    waitingFor: new Set(
      read
        .flatMap(({ samples }) => named(samples, 'certmill_waiting'))
        .filter(({ value }) => value > 0)
        .map(({ labels }) => /for="(?<need>[^"]+)"/.exec(labels)?.groups?.['need'] ?? ''),
    ),
  };
}

interface MetricSample {
  readonly name: string;
  readonly labels: string;
  readonly value: number;
}

/** Of Prometheus' text format. */
function samplesIn(text: string | undefined): readonly MetricSample[] {
  return [...(text ?? '').matchAll(/^([a-z_]+)(?:\{(.*)\})? (\S+)$/gm)].map(
    ([, name = '', labels = '', value]) => ({ name, labels, value: Number(value) }),
  );
}

function named(samples: readonly MetricSample[], name: string): readonly MetricSample[] {
  return samples.filter((sample) => sample.name === name);
}

function labelled(samples: readonly MetricSample[], label: string): readonly MetricSample[] {
  return samples.filter(({ labels }) => labels.includes(label));
}

function sum(samples: readonly MetricSample[]): number {
  return samples.reduce((total, { value }) => total + value, 0);
}

/** Undefined where nobody answers, or not with 2xx. */
async function textOf(url: string): Promise<string | undefined> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(answerWithinMs) });
    const text = await answer.text();
    return answer.ok ? text : undefined;
  } catch {
    return undefined;
  }
}
