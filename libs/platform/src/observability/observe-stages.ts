import { isCertmillError, rejectionCodeOf } from '@certmill/domain';
import type { ConsumingStage, StageObserver } from '@certmill/pipeline';
import type { Clock, DeliveredRecord } from '@certmill/ports';
import { LineLimiter } from './line-limiter.js';
import type { createLogger } from './logger.js';
import type { Metrics } from './metrics.js';
import { recordIds } from './record-ids.js';

const systemClock: Clock = { nowMs: () => Date.now() };

/**
 * Makes metrics and log lines of what the stages tell. A chunk that will be tried again is a warning, a
 * dead letter an error, a forged record an error with `alarm`, a halt is fatal; done chunks are for
 * debugging only.
 */
export function observeStages(
  logger: ReturnType<typeof createLogger>,
  metrics: Metrics,
  clock: Clock = systemClock,
): StageObserver {
  const { stages } = metrics;
  const limiter = new LineLimiter();
  // In one process a fault passes through the stages before it: each counts it, one line tells it.
  const told = new WeakSet();
  const secondsSince = (sinceMs: number): number => Math.max(0, (clock.nowMs() - sinceMs) / 1000);
  return {
    received: (lane, requests) => stages.received(lane, requests),
    handled(stage, lane, seconds, record) {
      stages.chunk(stage, lane, seconds);
      const madeMs = Date.parse(record.headers['ce_time'] ?? '');
      if (!Number.isNaN(madeMs)) {
        stages.wait(stage, lane, Math.max(0, secondsSince(madeMs) - seconds));
      }
      if (logger.isLevelEnabled('debug')) {
        logger.debug({ stage, ...recordIds(record), seconds }, 'chunk done');
      }
    },
    faulted(stage, record, error) {
      const code = codeOf(error);
      stages.fault(stage, code);
      if (error instanceof Object) {
        if (told.has(error)) return;
        told.add(error);
      }
      if (code === 'FAULT_EVENT_FORGED') {
        stages.forged(stage);
        logger.error(
          { alarm: true, ...fieldsOf(stage, record, error) },
          'forged record: somebody else writes into the topic',
        );
        return;
      }
      if (code === 'FAULT_VERDICT_FORGED') {
        stages.forged(stage);
        logger.error(
          { alarm: true, ...fieldsOf(stage, record, error) },
          'forged verdict: somebody else writes into the store',
        );
        return;
      }
      const passed = limiter.pass(`${stage} ${code}`);
      if (passed === undefined) return;
      logger.warn({ ...fieldsOf(stage, record, error), ...passed }, 'chunk not done');
    },
    deadLettered(stage, record, cause) {
      const code = codeOf(cause);
      stages.deadLetter(stage, code);
      // It was told when it was refused.
      if (code === 'FAULT_EVENT_FORGED') return;
      logger.error(fieldsOf(stage, record, cause), 'chunk is a dead letter: it waits for a person');
    },
    published(codes, { lane, receivedAtMs }) {
      const counts = new Map<number, number>();
      for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1);
      for (const [code, count] of counts) stages.requests(rejectionCodeOf(code) ?? 'none', count);
      stages.age(lane, secondsSince(receivedAtMs));
    },
    halted(stage, error) {
      logger.fatal({ stage, code: codeOf(error), err: error }, 'stage halted: a person must look');
    },
  };
}

function codeOf(error: unknown): string {
  return isCertmillError(error) ? error.code : 'UNKNOWN';
}

function fieldsOf(stage: ConsumingStage, record: DeliveredRecord, error: unknown): object {
  const { topic, position } = record;
  return { stage, code: codeOf(error), ...recordIds(record), topic, position, err: error };
}
