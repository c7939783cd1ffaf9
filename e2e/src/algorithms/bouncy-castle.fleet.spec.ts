import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pemEncode } from '@certmill/der';
import { verifyByBouncyCastle } from '@certmill/native';
import { deviceKeys, issueMixedChains, type Chain } from './mixed-chains.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'certmill-chains-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function writeChain(name: string, { device, issuer, root }: Chain): Promise<string> {
  const file = join(folder, `${name}.pem`);
  await writeFile(
    file,
    [device, issuer, root].map((der) => pemEncode('CERTIFICATE', der)).join(''),
  );
  return file;
}

it.each([
  ['ec-p384', { a: 'ml-dsa-44', b: 'ml-dsa-65', c: 'ml-dsa-87' }],
  ['ml-dsa-87', { a: 'ec-p256', b: 'ml-dsa-87', c: 'ed25519' }],
] as const)(
  'Bouncy Castle validates chains that mix algorithms under %s',
  async (rootKey, issuers) => {
    const { chains } = await issueMixedChains(rootKey, issuers, 1);
    const [first] = chains;
    const forged = { ...first!, device: Buffer.from(first!.device) };
    forged.device[forged.device.length - 1] = (forged.device.at(-1) ?? 0) ^ 1;
    const other = chains.find(({ issuer }) => Buffer.compare(issuer, first!.issuer) !== 0);
    const files = await Promise.all([
      ...chains.map((chain, i) => writeChain(`${rootKey}-${String(i)}`, chain)),
      writeChain('forged', forged),
      writeChain('crossed', { ...first!, issuer: other!.issuer }),
    ]);
    const verdicts = await verifyByBouncyCastle(files);
    expect(verdicts.slice(0, -2)).toEqual(chains.map(() => 'OK'));
    expect(chains).toHaveLength(Object.keys(issuers).length * deviceKeys.length + 3);
    expect(verdicts.slice(-2).map((verdict) => verdict === 'OK')).toEqual([false, false]);
  },
);
