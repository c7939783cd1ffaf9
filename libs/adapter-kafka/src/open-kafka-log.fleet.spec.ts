import { describeEventLog } from '@certmill/ports/conformance';
import { group, Logs, makeTopic, patienceMs } from './kafka.fixture.js';

const oversizeBytes = 4 * 1024 * 1024;

describeEventLog(
  'Kafka',
  async () => {
    const topic = await makeTopic(4, [group]);
    const logs = new Logs();
    const { log, network } = await logs.open();
    return {
      log,
      topic,
      oversizeBytes,
      patienceMs,
      async crash() {
        network.cut();
        return (await logs.open()).log;
      },
      dispose: () => logs.stop(),
    };
  },
  { without: ['maxBacklogBytes'], timeoutMs: 2 * patienceMs },
);
