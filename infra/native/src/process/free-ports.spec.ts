import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { freePorts } from './free-ports.js';

test('ports are free, handed out once, and none that outgoing connections get', async () => {
  const ports = [...(await freePorts(8)), ...(await freePorts(8))];
  expect(new Set(ports).size).toBe(16);
  for (const port of ports) {
    expect(port).toBeGreaterThan(1_023);
    expect(port).toBeLessThan(32_768);
    const server = createServer().listen(port, '127.0.0.1');
    await once(server, 'listening');
    server.close();
  }
});

const program = `
import { freePorts } from ${JSON.stringify(new URL('./free-ports.js', import.meta.url).href)};
console.log(JSON.stringify(await freePorts(10, JSON.parse(process.argv[1]))));
setInterval(() => undefined, 1_000);
`;

test('two processes get others, before a server is at them; those of one that has ended are free again', async () => {
  const lowest = randomInt(15_000, 31_000);
  const range = [lowest, lowest + 24] as const;
  const args = ['--input-type=module', '-e', program, JSON.stringify(range)];
  const other = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let theirs: readonly number[];
  try {
    const [told] = (await once(other.stdout, 'data')) as [Buffer];
    theirs = JSON.parse(String(told)) as readonly number[];
    expect(theirs).toHaveLength(10);
    // Of 24 ports two times ten would hardly ever be others by chance.
    const ours = await freePorts(10, range);
    expect(ours.filter((port) => theirs.includes(port))).toEqual([]);
  } finally {
    other.kill('SIGKILL');
    await once(other, 'exit');
  }
  const [low, high] = [Math.min(...theirs), Math.max(...theirs)];
  expect(theirs).toContain((await freePorts(1, [low, low + 1]))[0]);
  expect(theirs).toContain((await freePorts(1, [high, high + 1]))[0]);
});
