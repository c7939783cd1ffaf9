import { openForTest } from './open-for-test.fixture.js';

/**
 * A process with one worker: `node worker-process.fixture.js <prefix> <queue> <lockMs>`. It says
 * "begun <id>" when a handler begins, ends the handler when a line comes on stdin, and says the code of
 * each fault.
 */
const [prefix = '', queue = '', lockMs = ''] = process.argv.slice(2);
const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

const lines = Promise.withResolvers<undefined>();
process.stdin.once('data', () => lines.resolve(undefined));

const jobs = await openForTest({
  prefix,
  lockMs: Number(lockMs),
  onFault: (fault) => say(`fault ${fault.code}`),
});
await jobs.process(queue, { concurrency: 1, attempts: 1 }, async ({ id }) => {
  say(`begun ${id}`);
  await lines.promise;
  say(`ended ${id}`);
});
