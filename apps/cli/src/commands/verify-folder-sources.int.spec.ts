import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createHierarchy,
  exportAuthorities,
  importCaCrl,
  issueCaCrl,
  keySha256Of,
  loadIssuer,
  renewAuthority,
} from '@certmill/trust';
import { folderAuthorities } from './verify-folder-sources.js';

const passphrase = 'only for this test';

describe('what a data folder knows of a CA whose key is lost', () => {
  it('is about every certificate over the key, by its own record and by an imported CRL', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'certmill-verify-sources-'));
    try {
      const nowMs = Date.now();
      const [data, plant] = [join(folder, 'data'), join(folder, 'plant')];
      await createHierarchy({ name: 'line', directory: data, passphrase, nowMs });
      const { serialNumberHex, spkiDer } = await loadIssuer(data, 'line');
      const root = { directory: data, name: 'root', passphrase };
      await renewAuthority({ directory: data, name: 'line', parent: root, nowMs });
      await exportAuthorities({ directory: data, into: plant });
      // One certificate is named, and it is not the one in force; the clock was ahead by a day.
      const revokedAtMs = nowMs + 86_400_000;
      const entry = { subject: 'CN=line', revokedAtMs, notAfterMs: nowMs };
      const revoked = [{ serialNumberHex, reason: 'keyCompromise', ...entry }];
      const record = JSON.stringify({ formatVersion: 1, revoked });
      writeFileSync(join(data, 'ca/root/revoked-cas.json'), record);
      const lostKeySha256 = keySha256Of(spkiDer);
      const { records } = await folderAuthorities(data);
      expect(records).toEqual([expect.objectContaining({ serialNumberHex, lostKeySha256 })]);
      expect(records[0]?.revokedAtMs).toBeLessThanOrEqual(Date.now());
      const { der: crlDer } = await issueCaCrl(root, 86_400, nowMs);
      await importCaCrl({ directory: plant, crlDer, nowMs: nowMs + 1_000 });
      expect((await folderAuthorities(plant)).records).toContainEqual(
        expect.objectContaining({ ca: 'root', lostKeySha256 }),
      );
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
