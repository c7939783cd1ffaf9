import { hash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { createHierarchy, loadIssuer, requestRenewal } from '@certmill/trust';
import type { CeremonyFile, CeremonyStep } from '@certmill/trust/ceremony';
import { viewInputs } from './ceremony-inputs.js';

const passphrase = 'only for this test';

describe('the input files of a ceremony', () => {
  it('are refused where one is signed over a key that another one revokes, in this order only', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'certmill-inputs-'));
    try {
      await createHierarchy({ name: 'line', directory: folder, passphrase, nowMs: Date.now() });
      const { certificateFile } = await loadIssuer(folder, 'line');
      const requestPem = await requestRenewal({ directory: folder, name: 'line', passphrase });
      writeFileSync(join(folder, 'line.csr.pem'), requestPem);
      const input = (file: string) => ({
        file,
        sha256: hash('sha256', readFileSync(join(folder, file)), 'hex'),
      });
      const certificate = input(relative(folder, certificateFile));
      const revoke: CeremonyStep = {
        ...{ do: 'revoke-ca', under: 'root', certificate, reason: 'keyCompromise' },
      };
      const view = (...steps: readonly CeremonyStep[]) =>
        viewInputs(join(folder, 'ceremony.yaml'), { steps } as CeremonyFile);
      const again: readonly CeremonyStep[] = [
        { do: 'issue-ca', under: 'root', request: input('line.csr.pem') },
        { do: 'cross-certify', under: 'another', certificate },
      ];
      for (const step of again) {
        await expect(view(revoke, step)).rejects.toMatchObject({ code: 'CONFLICT' });
        expect(await view(step, revoke)).toHaveLength(2);
        const other = view({ ...revoke, reason: 'superseded' }, step);
        // Where the key is not lost, another CA may vouch for it.
        if (step.do === 'cross-certify') expect(await other).toHaveLength(2);
        else await expect(other).rejects.toMatchObject({ code: 'CONFLICT' });
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
