import { CertmillError } from '@certmill/domain';
import type { EventLog, Subscription, SubscribeOptions } from '@certmill/ports';
import { runStage, silentObserver } from './run-stage.js';

describe('a stage', () => {
  it('leaves nothing subscribed where one of its lanes cannot be', async () => {
    const subscribed = new Set<string>();
    const log = {
      subscribe({ topic }: SubscribeOptions): Promise<Subscription> {
        if (topic.endsWith('.interactive')) {
          return Promise.reject(new CertmillError('FAULT_BUS_DOWN', 'away'));
        }
        subscribed.add(topic);
        return Promise.resolve({
          stop: () => {
            subscribed.delete(topic);
            return Promise.resolve();
          },
        } as unknown as Subscription);
      },
    } as unknown as EventLog;
    const starting = runStage({
      stage: 'sign',
      log,
      certificates: { markDeadLettered: () => Promise.resolve() },
      lanes: ['bulk', 'interactive'],
      concurrency: { bulk: 1, interactive: 1 },
      handler: () => Promise.resolve(),
      observer: silentObserver,
    });
    await expect(starting).rejects.toMatchObject({ code: 'FAULT_BUS_DOWN' });
    expect([...subscribed]).toEqual([]);
  });
});
