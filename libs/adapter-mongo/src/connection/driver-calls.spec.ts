import { setFlagsFromString } from 'node:v8';
import { setTimeout } from 'node:timers/promises';
import { runInNewContext } from 'node:vm';
import { MongoServerError } from 'mongodb';
import { CertmillError } from '@certmill/domain';
import { CallsInHand } from './calls-in-hand.js';
import { DriverCalls } from './driver-calls.js';
import { SharedRun } from './shared-run.js';

const never = (): Promise<never> => new Promise(() => undefined);

describe('calls of the driver', () => {
  test('end in time', async () => {
    const calls = new DriverCalls({ timeoutMs: 5 });
    await expect(calls.run('get batches', never)).rejects.toMatchObject({
      code: 'FAULT_STORE_DOWN',
      message: 'cannot get batches: no answer in time',
    });
    expect(await calls.run('get batches', () => Promise.resolve(7))).toBe(7);
  });

  test('that the server does not answer for as long as one may take are told', async () => {
    let told = 0;
    const calls = new DriverCalls({ timeoutMs: 50, onUnanswered: () => (told += 1) });
    const fail = async (error: Error): Promise<void> => {
      await expect(calls.run('get', () => Promise.reject(error))).rejects.toBeDefined();
    };
    const away = new Error('away');
    await fail(away);
    expect(told).toBe(0);
    await setTimeout(60);
    await fail(away);
    expect(told).toBe(1);

    // Each of these is an answer.
    for (const settle of [
      () => calls.run('get', () => Promise.resolve()),
      () => fail(new MongoServerError({ code: 11_000, errmsg: 'E11000' })),
      () => fail(new MongoServerError({ code: 13, errmsg: 'not authorized' })),
    ]) {
      await setTimeout(60);
      await settle();
      await fail(away);
      expect(told).toBe(1);
    }
    await setTimeout(60);
    calls.forgetFailures();
    await fail(away);
    expect(told).toBe(1);
    // What we refuse ourselves says nothing of the server.
    await setTimeout(60);
    await fail(new CertmillError('CONFLICT', 'it is there'));
    expect(told).toBe(1);
    await fail(away);
    expect(told).toBe(2);
    expect(calls.answers).toBe(3);
  });

  test('end with FAULT_STOPPING once they are abandoned, and later ones are not made', async () => {
    const calls = new DriverCalls({ timeoutMs: 60_000 });
    const waiting = calls.run('get batches', never);
    calls.abandon();
    await expect(waiting).rejects.toMatchObject({ code: 'FAULT_STOPPING' });
    let isMade = false;
    const late = calls.run('get batches', () => Promise.resolve((isMade = true)));
    await expect(late).rejects.toMatchObject({ code: 'FAULT_STOPPING' });
    expect(isMade).toBe(false);
  });

  test('keep nothing of what was answered', async () => {
    const calls = new DriverCalls({ timeoutMs: 60_000 });
    const answers: WeakRef<Buffer>[] = [];
    for (let i = 0; i < 20; i++) {
      const answer = await calls.run('read', () => Promise.resolve(Buffer.alloc(100_000)));
      answers.push(new WeakRef(answer));
    }
    await new Promise((resolve) => setImmediate(resolve));
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as () => void)();
    // The engine may still hold the last one or two.
    expect(answers.filter((answer) => answer.deref() !== undefined).length).toBeLessThan(5);
  });
});

describe('calls in hand', () => {
  test('are waited for by a stop, which takes nothing new', async () => {
    const inHand = new CallsInHand();
    const { promise, resolve } = Promise.withResolvers<string>();
    const call = inHand.run(() => promise);
    let isStopped = false;
    const stopping = inHand.stop(60_000).then(() => (isStopped = true));
    await expect(inHand.run(never)).rejects.toMatchObject({ code: 'FAULT_STOPPING' });
    expect(isStopped).toBe(false);
    resolve('done');
    expect(await call).toBe('done');
    await stopping;
  });

  test('hold up a stop no longer than it is given', async () => {
    const inHand = new CallsInHand();
    void inHand.run(never);
    await expect(inHand.stop(1)).resolves.toBeUndefined();
  });
});

describe('a shared run', () => {
  test('answers with what was begun after the call, and is shared by those who wait', async () => {
    const runs: PromiseWithResolvers<number>[] = [];
    const shared = new SharedRun(() => {
      const run = Promise.withResolvers<number>();
      runs.push(run);
      return run.promise;
    });
    const first = shared.run();
    await Promise.resolve();
    await Promise.resolve();
    expect(runs).toHaveLength(1);
    const [second, third] = [shared.run(), shared.run()];
    runs[0]?.resolve(1);
    expect(await first).toBe(1);
    while (runs.length < 2) await Promise.resolve();
    runs[1]?.resolve(2);
    expect(await Promise.all([second, third])).toEqual([2, 2]);
  });

  test('goes on after one that failed', async () => {
    let runs = 0;
    const shared = new SharedRun(() => {
      runs += 1;
      return runs === 1 ? Promise.reject(new Error('no')) : Promise.resolve(runs);
    });
    await expect(shared.run()).rejects.toThrow('no');
    expect(await shared.run()).toBe(2);
  });
});
