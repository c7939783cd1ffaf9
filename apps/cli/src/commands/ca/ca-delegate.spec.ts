import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHierarchy, revokeAuthority } from '@certmill/trust';
import { runCertmill } from '../../testing/run-certmill.js';

const passphrase = 'only for this test';

describe('ca delegate', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'certmill-delegate-'));
    writeFileSync(join(folder, 'passphrase'), passphrase, { mode: 0o600 });
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it('certifies a responder, and none for an issuer with a key of somebody else or that is revoked', async () => {
    const nowMs = Date.now();
    const issuer = await createHierarchy({ name: 'line', directory: folder, passphrase, nowMs });
    const other = await createHierarchy({ name: 'other', directory: folder, passphrase, nowMs });
    const request = join(folder, 'va.csr');
    execFileSync(
      'openssl',
      [
        ...['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
        ...['-keyout', join(folder, 'va.key'), '-subj', '/CN=va', '-out', request],
      ],
      { stdio: 'ignore' },
    );
    const env = { CERTMILL_CA_PASSPHRASE_FILE: join(folder, 'passphrase') };
    const delegate = async (name: string) => {
      const out = join(folder, name);
      const profile = ['--issuer', 'line', '--profile', 'ocsp-responder'];
      const args = ['ca', 'delegate', request, ...profile, '--data', folder, '-o', out];
      const { exitCode, stderr } = await runCertmill(args, env);
      return { exitCode, stderr, isThere: existsSync(out) };
    };
    expect(await delegate('va.pem')).toMatchObject({ exitCode: 0, isThere: true });
    const keep = join(folder, 'keep.pem');
    copyFileSync(issuer.keyFile, keep);
    copyFileSync(other.keyFile, issuer.keyFile);
    expect(await delegate('foreign.pem')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('FAULT_KEY_MISMATCH') as string,
      isThere: false,
    });
    copyFileSync(keep, issuer.keyFile);
    const [certificateDer = new Uint8Array()] = issuer.chainDer;
    const reason = 'keyCompromise' as const;
    await revokeAuthority({ directory: folder, parent: 'root', certificateDer, reason, nowMs });
    expect(await delegate('revoked.pem')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/CONFLICT: CA 'line' is revoked/) as string,
      isThere: false,
    });
  });
});
