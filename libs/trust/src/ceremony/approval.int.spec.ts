import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { approve } from './approval.js';
import { ceremonyOperation } from './parse-ceremony.js';
import { statementBytes } from './participant-keys.js';
import { aCeremony, aliceAndFriends } from './testing/a-ceremony.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'certmill-approval-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('an approval', () => {
  const { alice, bob } = aliceAndFriends;

  it.each([
    ['Ed25519', alice],
    ['P-256', bob],
  ])('with a key of %s is verified by openssl, over the documented bytes', (type, person) => {
    const time = { nowMs: Date.now(), expiresMs: Date.now() + 60_000 };
    const operation = ceremonyOperation(aCeremony());
    const { signature, ...statement } = approve(operation, person.name, person.privateKey, time);
    const at = (name: string): string => join(folder, name);
    writeFileSync(at('key.pem'), person.publicKey);
    writeFileSync(at('signature'), Buffer.from(signature, 'base64'));
    const bytes = statementBytes('approval', statement);
    expect(bytes.toString()).toMatch(/^certmill approval 1\n\{"approvedAt":/);
    const digest = type === 'P-256' ? ['-digest', 'sha256'] : [];
    const verify = (): string =>
      execFileSync(
        'openssl',
        [
          ...['pkeyutl', '-verify', '-pubin', '-inkey', at('key.pem'), '-rawin', ...digest],
          ...['-in', at('bytes'), '-sigfile', at('signature')],
        ],
        { encoding: 'utf8', stdio: 'pipe' },
      );
    writeFileSync(at('bytes'), bytes);
    expect(verify()).toContain('Verified Successfully');
    bytes[bytes.length - 2] = 0;
    writeFileSync(at('bytes'), bytes);
    expect(verify).toThrow();
  });
});
