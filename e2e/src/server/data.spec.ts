import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { cp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { csrsOf, ndjsonOf } from '../testing/a-csr.js';
import { runCertmill, type Ended } from '../cli/testing/run-certmill.js';
import { aWorkFolder, type WorkFolder } from '../cli/testing/work-folder.js';
import {
  curlAt,
  ndjsonUpload,
  openOrder,
  startServer,
  startUpload,
} from './testing/running-server.js';

interface BatchBody {
  readonly state: string;
  readonly nextIndex: number;
  readonly counters: Readonly<Record<string, number>>;
}

interface Certificate {
  readonly deviceId: string;
}

interface Verified {
  readonly certificates: number;
  readonly inFlight: number;
  readonly findings: readonly string[];
}

const certmill = (work: WorkFolder, ...args: readonly string[]): Promise<Ended> =>
  runCertmill([...args, '--json'], { cwd: work.path });

async function verified(work: WorkFolder, data: string): Promise<[number | null, Verified]> {
  const ended = await certmill(work, 'verify-store', '--data', data);
  return [ended.exitCode, JSON.parse(ended.stdout) as Verified];
}

describe('a backup that was made while a batch ran', () => {
  it('goes on where it was: what it had is completed, nothing is doubled', async () => {
    await using work = await aWorkFolder();
    await using server = await startServer(work);
    const key = server.key ?? '';
    const curl = curlAt(server.url, key, work.path);
    await curl('POST', '/v1/orders', ...openOrder('o1'));

    const csrs = csrsOf(4_000, 'dev');
    const uploading = startUpload(server.url, key, '/v1/orders/o1/batches', 'run');
    let written = 0;
    const feed = setInterval(() => {
      // Slowly enough to last longer than the backup takes.
      if (written < 3_800) uploading.write(csrs.slice(written, (written += 20)));
    }, 20);
    const path = '/v1/orders/o1/batches?idempotencyKey=run';
    let batchId: string | undefined;
    let issued = 0;
    while (issued === 0) {
      const [batch] = (await curl('GET', path)).json<{
        items: (BatchBody & { batchId: string })[];
      }>().items;
      batchId = batch?.batchId;
      issued = batch?.counters['issued'] ?? 0;
    }
    const backedUp = await certmill(work, 'backup', 'saved', '--data', 'data');
    expect(backedUp.exitCode).toBe(0);
    // The server made a development hierarchy: its passphrase lies in the folder and goes along.
    expect(JSON.parse(backedUp.stdout)).toMatchObject({ holdsPassphrase: true });
    expect((await curl('GET', `/v1/batches/${batchId ?? ''}`)).json()).toMatchObject({
      state: 'uploading',
    });
    clearInterval(feed);
    uploading.child.kill('SIGKILL');
    await once(uploading.child, 'close');
    await server.stop();

    const elsewhere = ['restore', 'saved', '--data', 'elsewhere'];
    expect(await certmill(work, ...elsewhere)).toMatchObject({ exitCode: 0 });
    await using restored = await startServer(work, '--data', 'elsewhere');
    expect(restored.key).toBeUndefined();
    const there = curlAt(restored.url, key, work.path);
    const had = (await there('GET', `/v1/batches/${batchId ?? ''}`)).json<BatchBody>();
    // What it had goes on to its end; nothing can resume the rest.
    expect(had.state).toBe('broken-off');
    expect(had.nextIndex).toBeGreaterThan(0);
    expect(had.nextIndex).toBeLessThan(4_000);

    // The epoch is new, so the key opens another batch: it issues what the backup did not have.
    await writeFile(work.at('fleet'), ndjsonOf(csrs));
    const whole = [...ndjsonUpload('run'), '--data-binary', '@fleet'];
    const anew = await there('POST', '/v1/orders/o1/batches', ...whole);
    const linesAt = async <T>(path: string): Promise<T[]> => {
      const { body } = await there('GET', path);
      return body
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as T);
    };
    const follow = 'certificates?follow=true&format=ndjson';
    const late = await linesAt<Certificate>(`${anew.location}/${follow}`);
    const refused = await linesAt<{ code: string }>(`${anew.location}/rejections?follow=true`);
    const early = await linesAt<Certificate>(`/v1/batches/${batchId ?? ''}/${follow}`);
    expect(early.length).toBeGreaterThanOrEqual(had.nextIndex);
    expect(refused).toHaveLength(early.length);
    const devices = [...early, ...late].map(({ deviceId }) => deviceId).sort();
    expect(devices).toEqual(csrs.map(({ deviceId }) => deviceId).sort());
    const completed = (await there('GET', `/v1/batches/${batchId ?? ''}`)).json<BatchBody>();
    expect(completed.counters).toMatchObject({
      accepted: completed.nextIndex,
      issued: completed.nextIndex,
      inFlight: 0,
    });
    expect((await restored.stop()).exitCode).toBe(0);
    expect(await verified(work, 'elsewhere')).toMatchObject([
      0,
      { certificates: 4_000, inFlight: 0, findings: [] },
    ]);
  });
});

describe('verify-store', () => {
  it('of a path that is no data folder says so and makes none', async () => {
    await using work = await aWorkFolder();
    const ended = await certmill(work, 'verify-store', '--data', 'mistyped');
    expect(ended.exitCode).toBe(1);
    expect(ended.stdout + ended.stderr).toContain('NOT_FOUND');
    expect(ended.stdout).not.toContain('sound');
    expect(existsSync(work.at('mistyped'))).toBe(false);
  });

  it('lists every damaged segment, and a wrong counter', async () => {
    await using work = await aWorkFolder();
    // Three chunks: 256 requests each at most.
    await writeFile(work.at('fleet.ndjson'), ndjsonOf(csrsOf(600, 'dev')));
    const issue = ['issue', 'fleet.ndjson', '--profile', 'tls-client', '--format', 'ndjson'];
    const issued = await certmill(work, ...issue, '--out', 'out', '--data', 'sound');
    expect(issued.exitCode).toBe(0);
    expect(await verified(work, 'sound')).toMatchObject([0, { certificates: 600, findings: [] }]);

    await cp(work.at('sound'), work.at('flipped'), { recursive: true });
    const segment = work.at('flipped', 'store', 'segments', '0000000001.segment');
    const bytes = await readFile(segment);
    const lines = (await readFile(work.at('out', 'certificates.ndjson'), 'utf8'))
      .trim()
      .split('\n');
    for (const index of [7, 590]) {
      const { certificate } = JSON.parse(lines[index] ?? '') as { certificate: string };
      const der = Buffer.from(certificate.replace(/-----[^-]+-----|\s/g, ''), 'base64');
      const last = bytes.indexOf(der) + der.length - 1;
      bytes[last] = (bytes[last] ?? 0) ^ 1;
    }
    await writeFile(segment, bytes);
    const flipped = await verified(work, 'flipped');
    expect(flipped).toMatchObject([
      1,
      {
        certificates: expect.any(Number) as number,
        findings: [
          expect.stringMatching(/^batch \w+, chunk 0: segment file 1 is damaged at octet \d+$/),
          expect.stringMatching(/^batch \w+, chunk 2: segment file 1 is damaged at octet \d+$/),
        ],
      },
    ]);
    // What lies between the two was still checked.
    expect(flipped[1].certificates).toBeGreaterThan(200);
    expect(flipped[1].certificates).toBeLessThan(400);

    await cp(work.at('sound'), work.at('cut'), { recursive: true });
    await truncate(work.at('cut', 'store', 'segments', '0000000001.segment'), 1_000);
    const cut = await verified(work, 'cut');
    expect([cut[0], cut[1].certificates, cut[1].findings.length]).toEqual([1, 0, 3]);
    await rm(work.at('cut', 'store', 'segments', '0000000001.segment'));
    expect((await verified(work, 'cut'))[1].findings).toEqual(
      Array(3).fill(expect.stringMatching(/chunk \d: segment file 1 is missing$/)),
    );

    await cp(work.at('sound'), work.at('miscounted'), { recursive: true });
    using database = new DatabaseSync(work.at('miscounted', 'store', 'certmill.db'));
    database.exec('UPDATE batches SET issued = issued - 1');
    database.close();
    const [exitCode, { findings }] = await verified(work, 'miscounted');
    expect([exitCode, findings]).toEqual([
      1,
      [expect.stringMatching(/counters say 599 issued and 0 not, segments hold 600 and 0/)],
    ]);
  });
});
