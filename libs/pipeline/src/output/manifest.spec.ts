import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import type { Batch } from '@certmill/domain';
import type { Result } from '../publish/read-results.js';
import { manifestLines, verifyManifest, type ManifestEntry } from './manifest.js';

const { privateKey } = generateKeyPairSync('ed25519');
const trustedKey = createPublicKey(privateKey);
const stranger = generateKeyPairSync('ed25519');

const batch = {
  tenant: 'acme',
  batchId: 'ab'.repeat(13),
  orderId: 'order-1',
  completedAtMs: 1_700_000_000_000,
  counters: { accepted: 3, issued: 2, rejected: 1, cancelled: 0, deadLettered: 0, inFlight: 0 },
} as unknown as Batch;

const results: readonly Result[] = [0, 1, 2].map((index) => ({
  index,
  source: '',
  deviceId: `device-${index}`,
  ...(index === 1
    ? { rejection: { code: 'CSR_POP_INVALID', detail: 'forged' } }
    : { certificateDer: Uint8Array.of(0x30, 1, index) }),
}));

async function* each<T>(items: Iterable<T>): AsyncGenerator<T> {
  for (const item of items) yield await Promise.resolve(item);
}

async function aManifest(key = privateKey): Promise<string> {
  const groups = each([{ results: results.slice(0, 2) }, { results: results.slice(2) }]);
  const subject = { batch, profileHash: '00', issuer: 'ca', chainDer: [Uint8Array.of(1)] };
  let text = '';
  for await (const part of manifestLines(groups, subject, key))
    text += Buffer.from(part).toString();
  return text;
}

/** In pieces that end in the middle of lines. */
const octetsOf = (text: string): AsyncIterable<Uint8Array> =>
  each(text.match(/[^]{1,17}/g)?.map((piece) => Buffer.from(piece)) ?? []);

describe('a manifest', () => {
  it('tells each certificate, in order, and what it covers', async () => {
    const entries: ManifestEntry[] = [];
    const onEntry = (entry: ManifestEntry): void => void entries.push(entry);
    const summary = await verifyManifest(octetsOf(await aManifest()), { trustedKey, onEntry });
    expect(entries.map(({ index, deviceId }) => [index, deviceId])).toEqual([
      [0, 'device-0'],
      [2, 'device-2'],
    ]);
    expect(summary).toMatchObject({ batchId: batch.batchId, certificates: 2 });
  });

  it('is not signed where it would list other than what was issued', async () => {
    const lines = manifestLines(
      each([{ results: results.slice(0, 2) }]),
      { batch, profileHash: '00', issuer: 'ca', chainDer: [] },
      privateKey,
    );
    const written: string[] = [];
    const writing = (async () => {
      for await (const octets of lines) written.push(Buffer.from(octets).toString());
    })();
    await expect(writing).rejects.toMatchObject({ code: 'FAULT_PROCESSING' });
    expect(written.join('')).not.toContain('signature');
  });

  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const breaks: readonly (readonly [string, (text: string) => string])[] = [
    ['with another digest', (text) => text.replace('device-2', 'device-3')],
    ['without a line', (text) => text.slice(text.indexOf('\n') + 1)],
    ['with a line twice', (text) => text.slice(0, text.indexOf('\n') + 1) + text],
    ['with a line that is no entry', (text) => `{"index":"0"}\n${text}`],
    ['without its signature', (text) => text.slice(0, text.lastIndexOf('{"signature"'))],
    ['cut in its signature', (text) => text.slice(0, -10)],
    ['with more after its signature', (text) => `${text}{}\n`],
    ['of another algorithm', (text) => text.replace(/:"[\w-]+\./, `:"${part({ alg: 'none' })}.`)],
    ['that is empty', () => ''],
  ];
  it.each(breaks)('%s is refused', async (_, change) => {
    const changed = octetsOf(change(await aManifest()));
    await expect(verifyManifest(changed, { trustedKey })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringMatching(/^the manifest does not fit: /) as string,
    });
  });

  it('of another key is taken only where none is trusted', async () => {
    const text = await aManifest(stranger.privateKey);
    await expect(verifyManifest(octetsOf(text))).resolves.toMatchObject({ certificates: 2 });
    await expect(verifyManifest(octetsOf(text), { trustedKey })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    });
  });
});
