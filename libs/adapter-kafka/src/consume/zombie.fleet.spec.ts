import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { aRecord, group, idOf, idsOf, Logs, makeTopic, until } from '../kafka.fixture.js';

const logs = new Logs();
const children: ChildProcess[] = [];
const commitIntervalMs = 8_000;

afterEach(async () => {
  await logs.stop();
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** A member in a process of its own, and the lines that it has told. */
function startMember(topic: string): { child: ChildProcess; lines: string[] } {
  const script = join(import.meta.dirname, 'member.fixture.js');
  const child = spawn(process.execPath, [script, topic, group, String(commitIntervalMs)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  return { child, lines };
}

it('what a paused member has done but not committed comes again, and its late commit is refused', async () => {
  const topic = await makeTopic(2);
  const { log } = await logs.open();
  const { child, lines } = startMember(topic);
  await until('it has joined', () => lines.includes('notice group-joined'));
  const joinedAt = performance.now();
  await Promise.all(idsOf(10).map((id) => log.append(topic, aRecord(id))));
  await until('it has done them', () => idsOf(10).every((id) => lines.includes(`done ${id}`)));
  child.kill('SIGSTOP');
  expect(await log.lag(topic, group)).toBe(10);
  const seen: string[] = [];
  await log.subscribe({
    topic,
    group,
    concurrency: 4,
    handler: (record) => {
      seen.push(idOf(record));
      return Promise.resolve();
    },
  });
  await until('the other member gets them', () => idsOf(10).every((id) => seen.includes(id)));
  await log.append(topic, aRecord('meanwhile'));
  await until('all are committed', async () => (await log.lag(topic, group)) === 0);
  // When it goes on, its commit is due at once.
  await until('its commit is due', () => performance.now() > joinedAt + commitIntervalMs + 500);
  child.kill('SIGCONT');
  await until('its commit is refused', () => lines.includes('notice commit-refused'));
  await until('it is a member again', () => {
    return lines.filter((line) => line === 'notice group-joined').length > 1;
  });
  expect(await log.lag(topic, group)).toBe(0);
  const later = idsOf(50, 'later-');
  await Promise.all(later.map((id) => log.append(topic, aRecord(id))));
  await until('both go on', () => {
    return later.every((id) => seen.includes(id) || lines.includes(`done ${id}`));
  });
  expect(lines.some((line) => line.startsWith('done later-'))).toBe(true);
  expect(lines).not.toContain('done meanwhile');
});

it('what a killed member had in hand comes again', async () => {
  const topic = await makeTopic(2);
  const { log } = await logs.open();
  const { child, lines } = startMember(topic);
  await until('it has joined', () => lines.includes('notice group-joined'));
  await Promise.all(idsOf(10).map((id) => log.append(topic, aRecord(id))));
  await until('it has done one', () => lines.some((line) => line.startsWith('done ')));
  child.kill('SIGKILL');
  const seen = new Set<string>();
  await log.subscribe({
    topic,
    group,
    concurrency: 4,
    handler: (record) => {
      seen.add(idOf(record));
      return Promise.resolve();
    },
  });
  await until('the other member gets all', () => seen.size === 10);
});
