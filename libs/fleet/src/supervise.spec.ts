import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** As `superviseService` ends, in the turn of the event loop that logs its last lines. */
const program = `
  import { closeLoggers, createLogger } from ${JSON.stringify(import.meta.resolve('@certmill/platform'))};
  import { endProcess } from ${JSON.stringify(import.meta.resolve('@certmill/signing'))};
  const logger = createLogger('info');
  for (let line = 0; line < 100; line++) logger.info({ line }, 'last words');
  await endProcess(3, closeLoggers);
`;

describe('a service that ends', () => {
  it('has written all that it logged', async () => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program]);
    let said = '';
    child.stderr.on('data', (data: Buffer) => (said += data.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    const lines = said.trimEnd().split('\n');
    expect([code, lines.length]).toEqual([3, 100]);
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ line: 99, msg: 'last words' });
  });
});
