import { fleetStatusOf, type ServiceAnswer } from './fleet-status.js';
import { statusLine } from './status-line.js';

const ingest: ServiceAnswer = {
  name: 'ingest',
  role: 'ingest',
  isReady: true,
  metrics: `
# TYPE certmill_log_lag_chunks gauge
certmill_log_lag_chunks{topic="a.bulk",group="certmill-validate"} 12
certmill_log_lag_chunks{topic="a.interactive",group="certmill-validate"} 1
certmill_log_lag_chunks{topic="b.bulk",group="certmill-sign"} 3
certmill_log_lag_chunks{topic="c.bulk",group="certmill-publish"} 0
certmill_waiting{for="kafka"} 0
`,
};
/** Of its own stage; counted once, as ingest tells it. */
const sign: ServiceAnswer = {
  name: 'sign-bulk',
  role: 'sign',
  isReady: true,
  metrics: `
certmill_log_lag_chunks{topic="b.bulk",group="certmill-sign"} 3
certmill_sign_slot_ready{slot="a"} 1
certmill_sign_slot_ready{slot="b"} 0
certmill_waiting{for="mongodb"} 1
`,
};
const publish = (issued: number): ServiceAnswer => ({
  name: 'publish-bulk',
  role: 'publish',
  isReady: true,
  metrics: `
certmill_publish_requests_total{code="none"} ${issued}
certmill_publish_requests_total{code="CSR_POP_INVALID"} 1000
`,
});

test('what waits, what is ready and what was issued, of all processes', () => {
  expect(fleetStatusOf([ingest, sign, publish(4_000)], 7)).toEqual({
    atMs: 7,
    issued: new Map([['publish-bulk', 4_000]]),
    waiting: { validate: 13, sign: 3, publish: 0 },
    slotsReady: 1,
    slots: 2,
    ready: 3,
    services: 3,
    waitingFor: new Set(['mongodb']),
  });
});

test('the line: rejections are not issued, the rate is between two looks', () => {
  const before = fleetStatusOf([ingest, sign, publish(4_000)], 1_000);
  const now = fleetStatusOf([ingest, sign, publish(9_000)], 3_000);
  expect(statusLine(undefined, before)).toMatch(/^0 issued\/s \| /);
  expect(statusLine(before, now)).toBe(
    '2,500 issued/s | waiting: validate 13, sign 3, publish 0 | slots 1/2 | services 3/3 | waiting for mongodb',
  );
});

test('a process that began anew counts from 0, one that is away counts nothing', () => {
  const before = fleetStatusOf([publish(9_000)], 1_000);
  expect(statusLine(before, fleetStatusOf([publish(500)], 2_000))).toMatch(/^500 issued\/s/);
  const away = { ...publish(0), metrics: undefined, isReady: false };
  expect(statusLine(before, fleetStatusOf([away], 2_000))).toBe(
    '0 issued/s | waiting: unknown | slots 0/0 | services 0/1',
  );
});
