import { setTimeout as pause } from 'node:timers/promises';
import { connection } from '../kafka.fixture.js';
import { AdminCalls } from './admin-calls.js';

let calls: AdminCalls;

beforeEach(() => {
  calls = new AdminCalls(connection());
});
afterEach(() => calls.stop());

it('a call that fails closes the client of no other', async () => {
  let tries = 0;
  const slow = calls.call('slow', async (admin) => {
    tries += 1;
    await pause(1_000);
    return admin.describeCluster();
  });
  const failing = calls.call('failing', () => Promise.reject(new Error('of one call only')));
  await expect(failing).rejects.toMatchObject({ code: 'FAULT_BUS_DOWN' });
  expect((await slow).brokers.length).toBeGreaterThan(0);
  // Under a client that was closed it would have been tried again.
  expect(tries).toBe(1);
});

it('an answer that trying again will not change leaves the client as it is', async () => {
  const admins = new Set<unknown>();
  const refusal = Object.assign(new Error('no'), { type: 'TOPIC_AUTHORIZATION_FAILED' });
  const refused = calls.call('refused', (admin) => {
    admins.add(admin);
    return Promise.reject(refusal);
  });
  await expect(refused).rejects.toMatchObject({ code: 'FAULT_BUS_DOWN' });
  await calls.call('next', (admin) => {
    admins.add(admin);
    return admin.describeCluster();
  });
  expect(admins.size).toBe(1);
});
