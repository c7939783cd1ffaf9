import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { PlantedBug } from '../crash/planted-bugs.js';

const program = fileURLToPath(new URL('./run-faults.js', import.meta.url));
/** A run is a minute or two on two idle cores. */
const runTimeoutMs = 900_000;
const none = ['--kills', '0', '--random-kills', '0', '--zombies', '0', '--outages', '0'];

/** A short run, as people start it, on servers of its own. */
function runFaults(...args: string[]): Promise<{ readonly code: number; readonly output: string }> {
  // kafkajs asks for pauses that are over: nobody looks for that here.
  const flags = ['--disable-warning=TimeoutNegativeWarning'];
  const all = [...flags, program, '--seed', '7', ...args];
  return new Promise((resolve) => {
    execFile(process.execPath, all, { maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
      const code = typeof error?.code === 'number' ? error.code : error === null ? 0 : -1;
      resolve({ code, output: stdout + stderr });
    });
  });
}

describe('a fleet that is broken while a factory uploads', () => {
  test(
    'keeps its promises when services are killed, paused past their time-out and cut off',
    async () => {
      const faults = ['--kills', '1', '--random-kills', '1', '--zombies', '1', '--outages', '1'];
      const { code, output } = await runFaults(
        ...['--brokers', '3', '--requests', '6000', '--outage-ms', '3000', ...faults],
      );
      expect([code, output]).toEqual([0, expect.stringContaining('9 passed, 0 failed')]);
      expect(output).toMatch(/^faults: .*zombie \w+ at [a-z:]+ 1/m);
      expect(output).toMatch(/^faults: .*kill the broker that leads 1/m);
      expect(output).toMatch(/^faults: .*store-kill for 3000 ms 1/m);
      expect(output).toMatch(/^recovery of a service: at most [\d.]+ s \(.*\), of 5$/m);
      expect(output).toMatch(/^recovery of a broker: at most [\d.]+ s \(.*\), of 1$/m);
    },
    runTimeoutMs,
  );

  test(
    'keeps them when a sign that was taken for dead goes on with a signed, unpublished chunk',
    async () => {
      const { code, output } = await runFaults(
        ...['--brokers', '1', '--requests', '2500', '--only', 'zombie:sign:sign:end'],
      );
      expect([code, output]).toEqual([0, expect.stringContaining('9 passed, 0 failed')]);
      expect(output).toMatch(/^faults: zombie sign at sign:end 1$/m);
    },
    runTimeoutMs,
  );

  // Each with the one kill that the bug needs to show, the first one with a limit that nothing keeps.
  const broken = {
    overwrite: [
      ['--only', 'sign:sign:handled', '--max-service-recovery', '0.1'],
      [
        'every downloaded certificate is the stored one, byte for byte',
        'a killed service is made up for within 0.1 s',
      ],
    ],
    clock: [
      ['--only', 'sign:signature:after'],
      ['each request was signed with one TBSCertificate only'],
    ],
    claims: [none, ['no device has two live certificates']],
    quota: [none, ['no quota is exceeded']],
    'early-commit': [
      ['--only', 'publish:publish:begin'],
      ['nothing that was acknowledged is lost'],
    ],
  } as const satisfies Record<
    PlantedBug,
    readonly [args: readonly string[], promises: readonly string[]]
  >;

  // Time is short: crash.spec.ts has quota.
  test.each(['overwrite', 'clock', 'claims', 'early-commit'] as const)(
    'is seen to break them with the planted bug: %s',
    async (bug) => {
      const [args, promises] = broken[bug];
      const { code, output } = await runFaults(
        ...['--brokers', '1', '--requests', '2500', ...args, '--plant', bug],
      );
      for (const promise of promises) {
        expect([code, output]).toEqual([1, expect.stringContaining(`FAILED ${promise}`)]);
      }
      expect(output).toContain(`failed with the planted bug '${bug}'`);
    },
    runTimeoutMs,
  );
});
