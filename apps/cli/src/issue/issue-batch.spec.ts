import '../testing/one-realm.js';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CertmillError, type Batch } from '@certmill/domain';
import { silentObserver } from '@certmill/pipeline';
import {
  openIssuance,
  standaloneSchema,
  type Issuance,
  type IssuanceOverrides,
} from '@certmill/standalone';
import { takeDataFolder } from '@certmill/standalone/folder';
import { createHierarchy } from '@certmill/trust';
import { simulateDevice } from '../load/device-request.js';
import { deadLettersOf, issueBatch, resultsOfBatch } from './issue-batch.js';

let data: string;
let isPoisoned: boolean;

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'certmill-issue-'));
  const passphrase = 'only for this test';
  await writeFile(join(data, 'passphrase'), passphrase);
  await createHierarchy({ name: 'dev', directory: data, passphrase, nowMs: Date.now() });
});
afterEach(() => rm(data, { recursive: true }));

/** Chunk 0 of each batch cannot be published while `isPoisoned`. */
const aroundStore: NonNullable<IssuanceOverrides['aroundStore']> = (store) =>
  new Proxy(store, {
    get(target, name) {
      const value = Reflect.get(target, name, target) as unknown;
      if (name === 'publish') {
        return (terminal: Parameters<typeof store.publish>[0]) =>
          isPoisoned && terminal.chunk.chunkNumber === 0
            ? Promise.reject(new CertmillError('FAULT_PROCESSING', 'made to fail'))
            : store.publish(terminal);
      }
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });

async function withIssuance<T>(use: (issuance: Issuance) => Promise<T>): Promise<T> {
  const folder = takeDataFolder(data);
  const config = standaloneSchema.parse({ data, passphraseFile: join(data, 'passphrase') });
  const issuance = await openIssuance(folder, config, silentObserver, { aroundStore });
  try {
    return await use(issuance);
  } finally {
    await issuance.stop(5_000);
    folder.release();
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

const issue = (issuance: Issuance, input: string): Promise<Batch> =>
  issueBatch(
    issuance,
    {
      inputs: [input],
      profileName: 'tls-client',
      stdin: nothing(),
      signal: new AbortController().signal,
    },
    () => undefined,
  );

async function indexesOf(issuance: Issuance, batch: Batch): Promise<readonly number[]> {
  const indexes: number[] = [];
  for await (const results of resultsOfBatch(issuance, batch)) {
    indexes.push(...results.map(({ index }) => index));
  }
  return indexes;
}

describe('issuing for files', () => {
  it('gives what was issued behind a dead letter, says so, and tries it again the next time', async () => {
    const input = join(data, 'requests.ndjson');
    const lines = Array.from({ length: 300 }, (_, i) => {
      const { deviceId, csrDer } = simulateDevice(`device-${String(i)}`);
      return `${JSON.stringify({ deviceId, csr: Buffer.from(csrDer).toString('base64') })}\n`;
    });
    await writeFile(input, lines.join(''));
    isPoisoned = true;
    await withIssuance(async (issuance) => {
      const batch = await issue(issuance, input);
      expect(batch.counters).toMatchObject({ accepted: 300, issued: 44, deadLettered: 256 });
      expect(await indexesOf(issuance, batch)).toEqual(
        Array.from({ length: 44 }, (_, i) => 256 + i),
      );
      expect(await deadLettersOf(issuance, batch)).toMatchObject({
        code: 'FAULT_PROCESSING',
        message:
          '256 requests could not be processed (FAULT_PROCESSING in publish: made to fail); the same command tries them once more',
      });
    });
    isPoisoned = false;
    await withIssuance(async (issuance) => {
      const batch = await issue(issuance, input);
      expect(batch.counters).toMatchObject({ accepted: 300, issued: 300, deadLettered: 0 });
      expect(await indexesOf(issuance, batch)).toHaveLength(300);
      expect(await deadLettersOf(issuance, batch)).toBeUndefined();
    });
  });

  it('ends at once where the process has to be started again', async () => {
    const input = join(data, 'one.ndjson');
    const { deviceId, csrDer } = simulateDevice('device-late');
    const csr = Buffer.from(csrDer).toString('base64');
    await writeFile(input, `${JSON.stringify({ deviceId, csr })}\n`);
    await withIssuance(async (issuance) => {
      const failed = Promise.reject(new CertmillError('FAULT_HSM_LOST', 'a slot hangs'));
      failed.catch(() => undefined);
      await expect(issue({ ...issuance, failed }, input)).rejects.toMatchObject({
        code: 'FAULT_HSM_LOST',
      });
    });
  });
});
