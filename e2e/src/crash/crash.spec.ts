import { plantedBugs } from './planted-bugs.js';
import { runCrashes } from './run-crashes.fixture.js';

// Ten seconds each on two idle cores; servers start slowly on busy ones.
const runTimeoutMs = 300_000;

describe('a server that is killed while a factory uploads', () => {
  test(
    'keeps its promises over restarts',
    async () => {
      const { code, output } = await runCrashes('--kills', '3', '--disk-kills', '0');
      expect(output).toMatch(/^kills by point: .*publish:handled 1.*signature:after 1/m);
      expect(output).toContain('10 passed, 0 failed');
      expect(code).toBe(0);
    },
    runTimeoutMs,
  );

  // As few kills as each bug needs: a replay after the end, a replay after the signature, none.
  const broken = {
    overwrite: ['1', 'every downloaded certificate is the stored one, byte for byte'],
    clock: ['2', 'each request was signed with one TBSCertificate only'],
    claims: ['0', 'no device has two live certificates'],
    quota: ['0', 'no quota is exceeded'],
  } as const satisfies Record<
    (typeof plantedBugs)[number],
    readonly [kills: string, promise: string]
  >;

  test.each(plantedBugs)(
    'is seen to break them with the planted bug: %s',
    async (bug) => {
      const [kills, promise] = broken[bug];
      const { code, output } = await runCrashes(
        '--kills',
        kills,
        '--disk-kills',
        '0',
        '--plant',
        bug,
      );
      expect(output).toContain(`FAILED ${promise}`);
      expect(output).toContain(`failed with the planted bug '${bug}'`);
      expect(code).toBe(1);
    },
    runTimeoutMs,
  );
});
