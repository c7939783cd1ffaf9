import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHierarchy } from '@certmill/trust';
import { runCertmill, type Ended } from './run-certmill.js';

const passphrase = 'only for this test';

/** A data folder with a CA `line` under `root`, and `certmill ca` in it. */
export class CaFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'certmill-ca-'));

  static async make(): Promise<CaFolder> {
    const folder = new CaFolder();
    writeFileSync(join(folder.path, 'passphrase'), passphrase, { mode: 0o600 });
    const nowMs = Date.now();
    await createHierarchy({ name: 'line', directory: folder.path, passphrase, nowMs });
    return folder;
  }

  ca(...args: readonly string[]): Promise<Ended> {
    return runCertmill(['ca', ...args, '--data', this.path], {
      CERTMILL_CA_PASSPHRASE_FILE: join(this.path, 'passphrase'),
    });
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true });
  }
}
