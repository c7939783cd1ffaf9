import { setTimeout as sleep } from 'node:timers/promises';
import { CertmillError } from '@certmill/domain';
import { untilItWorks } from './until-it-works.js';

function logOf() {
  const lines: string[] = [];
  const add = (_fields: object, message: string): void => {
    lines.push(message);
  };
  return { lines, warn: add, info: add };
}

const down = (message: string): Promise<never> =>
  Promise.reject(new CertmillError('FAULT_BUS_DOWN', message));

describe('waiting for what a service needs', () => {
  it('tries until it works, and says each reason once', async () => {
    const log = logOf();
    const outcomes = [() => down('no broker'), () => down('no broker'), () => Promise.resolve(7)];
    const attempt = (): Promise<number> => (outcomes.shift() ?? (() => Promise.resolve(0)))();
    const result = await untilItWorks('kafka', attempt, log, new AbortController().signal);
    expect(result).toBe(7);
    expect(log.lines).toEqual(['waiting for kafka: FAULT_BUS_DOWN: no broker', 'kafka is there']);
  });

  it('ends at once with what waiting does not cure', async () => {
    const wrong = new CertmillError('CONFIG_INVALID', 'wrong');
    const attempt = (): Promise<never> => Promise.reject(wrong);
    const waiting = untilItWorks('kafka', attempt, logOf(), new AbortController().signal);
    await expect(waiting).rejects.toBe(wrong);
  });

  it('ends when the service stops, also in the middle of a pause', async () => {
    const stopping = new AbortController();
    const waiting = untilItWorks('kafka', () => down('no broker'), logOf(), stopping.signal);
    // Before the first pause is over: timers end in the order of their times, on busy cores too.
    const first = Promise.race([
      waiting.catch((error: unknown) => (error as CertmillError).code),
      sleep(150, 'the pause'),
    ]);
    setImmediate(() => stopping.abort());
    expect(await first).toBe('FAULT_STOPPING');
  });
});
