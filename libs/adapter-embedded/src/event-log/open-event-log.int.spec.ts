import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EventLog, EventRecord } from '@certmill/ports';
import { describeEventLog } from '@certmill/ports/conformance';
import { nodeDisk, type Disk, type DiskFile } from '../disk.js';
import { readLog } from './read-log.js';
import { openEventLog, type EmbeddedEventLog, type EventLogOptions } from './open-event-log.js';

const topic = 'test.records.made.v1';
const relayTopic = 'test.records.passed.v1';
const group = 'certmill-test';
const retry = { firstMs: 1, maxMs: 4 };

let directory: string;
const opened: EmbeddedEventLog[] = [];

async function open(overrides: Partial<EventLogOptions> = {}): Promise<EmbeddedEventLog> {
  const log = await openEventLog({
    directory,
    durableTopics: [topic],
    relayTopics: [relayTopic],
    maxBacklogBytes: 64 * 1024 * 1024,
    retry,
    ...overrides,
  });
  opened.push(log);
  return log;
}

function aRecord(id: string, bytes = 100): EventRecord {
  return { headers: { ce_id: id }, key: id, value: Buffer.alloc(bytes, id) };
}

/** What a group that never saw anything gets within the topic, by id. */
async function drain(log: EventLog, as = 'certmill-drain'): Promise<Map<string, EventRecord>> {
  const seen = new Map<string, EventRecord>();
  const subscription = await log.subscribe({
    topic,
    group: as,
    concurrency: 8,
    handler: (record) => {
      seen.set(record.headers['ce_id'] ?? '', record);
      return Promise.resolve();
    },
  });
  while ((await log.lag(topic, as)) > 0) await sleep(2);
  await subscription.stop(1_000);
  return seen;
}

async function segmentFiles(): Promise<string[]> {
  const names = await readdir(join(directory, topic));
  return names.filter((name) => name.endsWith('.log')).map((name) => join(directory, topic, name));
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'certmill-log-'));
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((log) => log.stop(10)));
  await rm(directory, { recursive: true });
});

describeEventLog('the embedded log', async () => {
  const options = { maxRecordBytes: 64 * 1024, maxBacklogBytes: 128 * 1024, segmentBytes: 4_096 };
  return {
    log: await open(options),
    topic,
    oversizeBytes: options.maxRecordBytes,
    maxBacklogBytes: options.maxBacklogBytes,
    crash: () => open(options),
    dispose: () => Promise.resolve(),
  };
});

/** A disk whose next call of an armed kind fails, after it had its effect or without. */
class FailingDisk implements Disk {
  readonly #armed: { step: string; code: string; isPersisted: boolean }[] = [];

  arm(step: string, isPersisted: boolean, code = 'EIO'): void {
    this.#armed.push({ step, code, isPersisted });
  }

  get isArmed(): boolean {
    return this.#armed.length > 0;
  }

  async #step<T>(step: string, act: () => Promise<T>): Promise<T> {
    const i = this.#armed.findIndex((armed) => armed.step === step);
    const armed = this.#armed[i];
    if (armed === undefined) return act();
    this.#armed.splice(i, 1);
    if (armed.isPersisted) await act();
    throw Object.assign(new Error(`${step} fails`), { code: armed.code });
  }

  create = async (path: string): Promise<DiskFile> => {
    const kind = kindOf(path);
    await this.#step(`create ${kind}`, async () => {
      await (await nodeDisk.create(path)).close();
    });
    return this.#wrap(await nodeDisk.open(path), kind);
  };
  open = async (path: string): Promise<DiskFile> =>
    this.#wrap(await nodeDisk.open(path), kindOf(path));
  makeDirectory = nodeDisk.makeDirectory.bind(nodeDisk);
  list = nodeDisk.list.bind(nodeDisk);
  rename = (from: string, to: string): Promise<void> =>
    this.#step('rename offsets', () => nodeDisk.rename(from, to));
  unlink = (path: string): Promise<void> =>
    this.#step(`unlink ${kindOf(path)}`, () => nodeDisk.unlink(path));
  syncDirectory = (path: string): Promise<void> =>
    this.#step('sync directory', () => nodeDisk.syncDirectory(path));

  #wrap(file: DiskFile, kind: string): DiskFile {
    return {
      write: (parts, position) =>
        this.#step(`write ${position === 0 && kind === 'segment' ? 'head' : kind}`, () =>
          file.write(parts, position),
        ),
      read: (target, position) => file.read(target, position),
      datasync: () => this.#step(`sync ${kind}`, () => file.datasync()),
      truncate: (length) => this.#step('truncate', () => file.truncate(length)),
      size: () => file.size(),
      close: () => file.close(),
    };
  }
}

function kindOf(path: string): string {
  return path.endsWith('.log') ? 'segment' : 'offsets';
}

describe('a disk that fails', () => {
  const modes = [
    { how: 'fails', isPersisted: false },
    { how: 'fails but is persisted', isPersisted: true },
  ];
  const appendSteps = ['write segment', 'sync segment'];
  const rotateSteps = ['create segment', 'write head', 'sync segment', 'sync directory'];
  const commitSteps = ['create offsets', 'write offsets', 'sync offsets', 'rename offsets'];
  const rows = (steps: readonly string[]): { step: string; how: string; isPersisted: boolean }[] =>
    steps.flatMap((step) => modes.map((mode) => ({ step, ...mode })));

  it('a new log has durable names before it takes a record', async () => {
    const synced: string[] = [];
    const disk: Disk = {
      ...nodeDisk,
      async syncDirectory(path) {
        synced.push(path);
        await nodeDisk.syncDirectory(path);
      },
    };
    const log = join(directory, 'log');
    await open({ directory: log, disk });
    expect(synced.slice(-2)).toEqual([log, directory]);
  });

  it.each(rows(appendSteps))(
    'append: $step $how: nothing is acknowledged, nothing acknowledged is lost',
    async ({ step, isPersisted }) => {
      const disk = new FailingDisk();
      const log = await open({ disk });
      await log.append(topic, aRecord('before'));
      disk.arm(step, isPersisted);
      await expect(log.append(topic, aRecord('failed'))).rejects.toMatchObject({
        code: 'FAULT_BUS_DOWN',
      });
      const failedFile = (await segmentFiles()).at(-1);
      await log.append(topic, aRecord('after'));
      // The file whose sync failed is never written again.
      expect((await segmentFiles()).at(-1)).not.toBe(failedFile);
      const seen = await drain(await open());
      expect([...seen.keys()]).toEqual(expect.arrayContaining(['before', 'after']));
      expect(seen.size).toBe(2);
    },
  );

  it.each(rows(rotateSteps))(
    'rotate: $step $how: nothing is acknowledged, nothing acknowledged is lost',
    async ({ step, isPersisted }) => {
      const disk = new FailingDisk();
      const log = await open({ disk, segmentBytes: 64 });
      await log.append(topic, aRecord('before'));
      disk.arm(step, isPersisted);
      await expect(log.append(topic, aRecord('failed'))).rejects.toMatchObject({
        code: 'FAULT_BUS_DOWN',
      });
      await log.append(topic, aRecord('after'));
      const seen = await drain(await open({ segmentBytes: 64 }));
      expect([...seen.keys()].sort()).toEqual(['after', 'before']);
    },
  );

  it.each(rows(commitSteps))(
    'commit: $step $how: every record is delivered again or was handled',
    async ({ step, isPersisted }) => {
      const disk = new FailingDisk();
      const log = await open({ disk });
      await drain(log, group);
      await log.append(topic, aRecord('a'));
      disk.arm(step, isPersisted);
      const handled = await drain(log, group);
      expect(disk.isArmed).toBe(false);
      await log.append(topic, aRecord('b'));
      const again = await drain(await open(), group);
      expect([...new Set([...handled.keys(), ...again.keys()])].sort()).toEqual(['a', 'b']);
    },
  );

  it('keeps a failed tail out of sight when it cannot be cut off', async () => {
    const disk = new FailingDisk();
    const log = await open({ disk });
    await drain(log, group);
    await log.append(topic, aRecord('before'));
    disk.arm('sync segment', true);
    disk.arm('truncate', false);
    await expect(log.append(topic, aRecord('failed'))).rejects.toThrow();
    expect(disk.isArmed).toBe(false);
    await log.append(topic, aRecord('after'));
    expect([...(await drain(log)).keys()].sort()).toEqual(['after', 'before']);
    expect([...(await drain(await open(), group)).keys()].sort()).toEqual(['after', 'before']);
  });

  it('says that the disk is full and goes on when there is room', async () => {
    const disk = new FailingDisk();
    const log = await open({ disk });
    disk.arm('write segment', false, 'ENOSPC');
    await expect(log.append(topic, aRecord('full'))).rejects.toMatchObject({
      code: 'FAULT_DISK_FULL',
    });
    await log.append(topic, aRecord('room'));
    expect([...(await drain(await open())).keys()]).toEqual(['room']);
  });
});

describe('what a crash leaves', () => {
  it('cuts a torn tail off at every octet of the last record', async () => {
    const log = await open();
    await log.append(topic, aRecord('whole'));
    const [path] = await segmentFiles();
    const whole = (await readFile(path ?? '')).length;
    await log.append(topic, aRecord('torn', 20));
    await log.close();
    const full = await readFile(path ?? '');
    for (let length = whole; length < full.length; length++) {
      await writeFile(path ?? '', full);
      await truncate(path ?? '', length);
      const again = await open();
      expect(await again.lag(topic, 'nobody')).toBe(1);
      await again.close();
      expect((await readFile(path ?? '')).length).toBe(whole);
    }
  });

  it('takes garbage behind the last record for a torn tail', async () => {
    const log = await open();
    await log.append(topic, aRecord('whole'));
    await log.close();
    const [path] = await segmentFiles();
    await writeFile(path ?? '', Buffer.alloc(500, 0x43), { flag: 'a' });
    expect([...(await drain(await open())).keys()]).toEqual(['whole']);
  });

  it('refuses a log whose durable records are damaged', async () => {
    const log = await open();
    await log.append(topic, aRecord('damaged'));
    await log.append(topic, aRecord('later'));
    await log.close();
    const [path] = await segmentFiles();
    const bytes = await readFile(path ?? '');
    bytes[80] = (bytes[80] ?? 0) ^ 1;
    await writeFile(path ?? '', bytes);
    await expect(open()).rejects.toMatchObject({ code: 'FAULT_STORE_CORRUPT' });
  });

  it('halts the consumer that meets damage in an older segment', async () => {
    const log = await open({ segmentBytes: 64 });
    await log.append(topic, aRecord('damaged'));
    await log.append(topic, aRecord('later'));
    await log.close();
    const [path] = (await segmentFiles()).sort();
    const bytes = await readFile(path ?? '');
    bytes[80] = (bytes[80] ?? 0) ^ 1;
    await writeFile(path ?? '', bytes);
    const again = await open({ segmentBytes: 64 });
    const halted = new Promise<Error>((resolve) => {
      void again.subscribe({
        topic,
        group,
        concurrency: 1,
        handler: () => Promise.resolve(),
        onHalt: resolve,
      });
    });
    expect(await halted).toMatchObject({ code: 'FAULT_STORE_CORRUPT' });
  });

  it('has every acknowledged record, byte for byte, after kill -9', async () => {
    const acknowledged: string[] = [];
    for (let round = 0; round < 3; round++) {
      const child = spawn(
        process.execPath,
        [join(import.meta.dirname, 'append-forever.fixture.js'), directory, topic, String(round)],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      const enough = (round + 1) * 300;
      for await (const line of createInterface({ input: child.stdout })) {
        acknowledged.push(line);
        if (acknowledged.length === enough) child.kill('SIGKILL');
      }
    }
    const seen = await drain(await open());
    expect(acknowledged.length).toBeGreaterThanOrEqual(900);
    for (const id of acknowledged) {
      const record = seen.get(id);
      expect(record?.value).toEqual(Buffer.alloc(1_000, id));
    }
  });
});

describe('segments', () => {
  it('are removed when every group has consumed them, and only then', async () => {
    const log = await open({ segmentBytes: 64 });
    await drain(log, 'certmill-one');
    await drain(log, 'certmill-two');
    for (const id of ['a', 'b', 'c']) await log.append(topic, aRecord(id));
    await drain(log, 'certmill-one');
    expect(await segmentFiles()).toHaveLength(3);
    await drain(log, 'certmill-two');
    expect(await segmentFiles()).toHaveLength(1);
    await log.close();
    expect([...(await drain(await open(), 'certmill-two')).keys()]).toEqual([]);
  });

  it('stay where no group ever subscribed', async () => {
    const log = await open({ segmentBytes: 64 });
    for (const id of ['a', 'b', 'c']) await log.append(topic, aRecord(id));
    expect(await segmentFiles()).toHaveLength(3);
  });
});

describe('an append over the backlog', () => {
  it('fails as overloaded when it has waited too long', async () => {
    const log = await open({ maxBacklogBytes: 1_000, backlogWaitMs: 20 });
    await log.append(topic, aRecord('a', 900));
    await expect(log.append(topic, aRecord('b', 900))).rejects.toMatchObject({
      code: 'FAULT_OVERLOADED',
    });
  });
});

describe('a relay topic', () => {
  it('resolves an append when every group has handled it', async () => {
    const log = await open();
    const handled: string[] = [];
    let release: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    for (const name of ['one', 'two']) {
      await log.subscribe({
        topic: relayTopic,
        group: name,
        concurrency: 1,
        handler: async () => {
          if (name === 'two') await gate;
          handled.push(name);
        },
      });
    }
    let isResolved = false;
    const append = log.append(relayTopic, aRecord('a')).then(() => {
      isResolved = true;
    });
    await sleep(20);
    expect({ handled, isResolved }).toEqual({ handled: ['one'], isResolved: false });
    expect(await log.lag(relayTopic, 'two')).toBe(1);
    release?.();
    await append;
    expect(handled).toEqual(['one', 'two']);
  });

  it('rejects an append with the fault of its handler', async () => {
    const log = await open();
    const fault = new TypeError('a defect');
    await log.subscribe({
      topic: relayTopic,
      group,
      concurrency: 1,
      handler: () => Promise.reject(fault),
    });
    await expect(log.append(relayTopic, aRecord('a'))).rejects.toBe(fault);
  });

  it('lets appends wait for the first group', async () => {
    const log = await open();
    const append = log.append(relayTopic, aRecord('a'));
    await log.subscribe({
      topic: relayTopic,
      group,
      concurrency: 1,
      handler: () => Promise.resolve(),
    });
    await expect(append).resolves.toBeUndefined();
  });

  it('ends appends that nobody handled when the log stops', async () => {
    const log = await open();
    const append = log.append(relayTopic, aRecord('a'));
    const refused = expect(append).rejects.toMatchObject({ code: 'FAULT_STOPPING' });
    await log.close();
    await refused;
  });
});

describe('a log at rest', () => {
  const small = { segmentBytes: 1_000 };

  async function found(as?: string): Promise<string[]> {
    const texts: string[] = [];
    const options = { directory, topic, ...(as === undefined ? {} : { group: as }) };
    for await (const each of readLog(options)) {
      texts.push(each.record === undefined ? each.damage : (each.record.headers['ce_id'] ?? ''));
    }
    return texts;
  }

  async function fill(count: number): Promise<string[]> {
    const log = await open(small);
    const ids = Array.from({ length: count }, (_, i) => `r${String(i)}`);
    for (const id of ids) await log.append(topic, aRecord(id, 300));
    await log.close();
    return ids;
  }

  it('is read whole, or from what a group has committed, a torn tail left out', async () => {
    expect(await found()).toEqual([]);
    const ids = await fill(10);
    expect(await found()).toEqual(ids);
    const log = await open(small);
    await drain(log, 'certmill-drain');
    await log.append(topic, aRecord('later'));
    await log.close();
    await writeFile((await segmentFiles()).sort().at(-1) ?? '', 'torn', { flag: 'a' });
    expect(await found('certmill-drain')).toEqual(['later']);
  });

  it('tells a damaged record and reads on behind it', async () => {
    const ids = await fill(10);
    const path = (await segmentFiles()).sort()[1] ?? '';
    const bytes = await readFile(path);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    await writeFile(path, bytes);
    const texts = await found();
    const damages = texts.filter((text) => !ids.includes(text));
    expect(damages).toEqual([expect.stringMatching(/the record at octet \d+ is damaged$/)]);
    expect(texts).toHaveLength(10);
  });

  it('tells what a removed segment held, in the middle and at either end', async () => {
    await fill(10);
    const paths = (await segmentFiles()).sort();
    const log = await open(small);
    await log.subscribe({ topic, group, concurrency: 1, handler: () => new Promise(() => {}) });
    await log.stop(10);
    const bases = paths.map((path) => Number(/(\d{16})\.log$/.exec(path)?.[1]));
    const kept = new Map<string, Buffer>();
    for (const path of paths) kept.set(path, await readFile(path));
    for (const [i, path] of paths.entries()) {
      await rm(path);
      const texts = await found(group);
      const to = bases[i + 1];
      if (to === undefined) expect(texts).toHaveLength(bases[i] ?? 0);
      else {
        const gap = `the log of ${topic} has lost its records ${String(bases[i])} to ${String(to - 1)}`;
        expect(texts).toContain(gap);
        expect(texts).toHaveLength(10 - (to - (bases[i] ?? 0)) + 1);
      }
      await writeFile(path, kept.get(path) ?? '');
    }
    expect(await found(group)).toHaveLength(10);
  });
});
