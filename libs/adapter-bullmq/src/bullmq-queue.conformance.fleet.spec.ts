import { describeJobQueue } from '@certmill/ports/conformance';
import { openForTest } from './open-for-test.fixture.js';

describeJobQueue('the job queue in Redis', async () => {
  const jobs = await openForTest({ firstRetryMs: 20 });
  return { jobs, close: () => jobs.stop(0) };
});
