import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assertStatusKept } from './kept-status.js';

const status = { baseUri: 'http://pki.example', crlShards: 2 };
const issuer = { name: 'devices', keyIdentifier: new Uint8Array(20).fill(7), status };

describe('the status addresses of an issuer', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'kept-status-'));
    await assertStatusKept(directory, [issuer]);
  });
  afterEach(() => rm(directory, { recursive: true }));
  const file = () => join(directory, 'status-addresses.json');

  it('may stay, while others come beside them, also of one that had none', async () => {
    const bare = { name: 'late', keyIdentifier: new Uint8Array(20) };
    await assertStatusKept(directory, [issuer, bare]);
    const later = { ...bare, status: { ...status, crlShards: 0 } };
    await assertStatusKept(directory, [issuer, later]);
    await expect(assertStatusKept(directory, [issuer, { ...later, status }])).rejects.toMatchObject(
      {
        code: 'CONFIG_INVALID',
        message: expect.stringContaining('http://pki.example with 0 CRL shards') as string,
      },
    );
  });

  it.each([
    ['fewer shards', { ...status, crlShards: 1 }],
    ['more shards', { ...status, crlShards: 4 }],
    ['another address', { ...status, baseUri: 'http://other.example' }],
    ['none', undefined],
  ])('are not exchanged for %s: a start says what they were', async (_, other) => {
    const { name, keyIdentifier } = issuer;
    const changed = { name, keyIdentifier, ...(other === undefined ? {} : { status: other }) };
    const before = await readFile(file(), 'utf8');
    await expect(assertStatusKept(directory, [changed])).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(
        "issuer 'devices': its certificates name http://pki.example with 2 CRL shards",
      ) as string,
    });
    expect(await readFile(file(), 'utf8')).toBe(before);
  });

  it('are of a name: another issuer with the key has its own, or none, at each start', async () => {
    const bare = { name: 'again', keyIdentifier: issuer.keyIdentifier };
    const other = { ...bare, name: 'other', status: { ...status, crlShards: 4 } };
    for (let start = 0; start < 2; start += 1) {
      await assertStatusKept(directory, [issuer, bare, other]);
    }
  });

  it('are of a key: another one by the name has its own', async () => {
    const other = { ...status, crlShards: 4 };
    const keyIdentifier = new Uint8Array(20).fill(8);
    await assertStatusKept(directory, [{ ...issuer, keyIdentifier, status: other }]);
  });

  it.each(['{', '{"formatVersion":2,"issuers":{}}', '{"formatVersion":1}'])(
    'are not taken from a damaged record: %s',
    async (text) => {
      await writeFile(file(), text);
      await expect(assertStatusKept(directory, [issuer])).rejects.toMatchObject({
        code: 'FAULT_STORE_CORRUPT',
      });
    },
  );
});
