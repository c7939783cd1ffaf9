import { FleetSupervisor, type Supervised } from './fleet-supervisor.js';

/** A service that ends as it is told, with a clock that only pauses move. */
function aScene(ends: readonly (number | null)[]) {
  const said: string[] = [];
  const remaining = [...ends];
  let starts = 0;
  let atMs = 0;
  const service: Supervised = {
    name: 'sign-bulk',
    start: () => void (starts += 1),
    whenEnded: () => {
      const code = remaining.shift();
      if (code === undefined) supervisor.stop();
      return Promise.resolve(code ?? null);
    },
  };
  const supervisor = new FleetSupervisor({
    say: (text) => said.push(text),
    nowMs: () => atMs,
    pause: (ms, signal) => {
      atMs += ms;
      return Promise.resolve(!signal.aborted);
    },
  });
  return { supervisor, service, said, starts: () => starts, wait: (ms: number) => (atMs += ms) };
}

test('a service that ends is named and started again, later each time', async () => {
  const { supervisor, service, said, starts } = aScene([null, 1, 1]);
  await supervisor.watch(service);
  expect(said).toEqual([
    'sign-bulk was killed: it is started again in 1 s',
    'sign-bulk ended with 1: it is started again in 2 s',
    'sign-bulk ended with 1: it is started again in 4 s',
  ]);
  expect(starts()).toBe(3);
});

test('one that ends again and again is left alone', async () => {
  const { supervisor, service, said, starts } = aScene(Array.from({ length: 9 }, () => 1));
  await supervisor.watch(service);
  expect(starts()).toBe(5);
  expect(said.at(-1)).toBe('sign-bulk ended with 1, 6 times of late: it is left alone');
});

test('what is long ago does not count', async () => {
  const scene = aScene(Array.from({ length: 9 }, () => 1));
  await scene.supervisor.watch({
    ...scene.service,
    whenEnded: () => {
      scene.wait(200_000);
      return scene.service.whenEnded();
    },
  });
  expect(scene.starts()).toBe(9);
  expect(new Set(scene.said).size).toBe(1);
});

test('a stop is no death, and ends a pause', async () => {
  const stopped = aScene([]);
  await stopped.supervisor.watch(stopped.service);
  expect(stopped.said).toEqual([]);

  const supervisor = new FleetSupervisor({ say: () => supervisor.stop() });
  let starts = 0;
  await supervisor.watch({
    name: 'ingest',
    start: () => (starts += 1),
    whenEnded: () => Promise.resolve(1),
  });
  expect(starts).toBe(0);
});
