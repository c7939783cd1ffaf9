import '../one-realm.js';
import { changeCertificates } from '@certmill/pipeline';
import { openFolderToRevoke } from '@certmill/standalone/folder';

/** Revokes a batch and is killed when so many certificates are: arguments are folder, batch, number. */
const [data = '', batchId = '', killedAfter = ''] = process.argv.slice(2);
await using folder = await openFolderToRevoke(data);
let done = 0;
await changeCertificates(folder.ports, {
  actor: 'the one that dies',
  tenants: ['default'],
  selection: { by: 'batch', batchId },
  change: { kind: 'revoke', reason: 'cACompromise', revokedAtMs: 1_700_000_000_000 },
  onItems(items) {
    done += items.length;
    if (done >= Number(killedAfter)) process.kill(process.pid, 'SIGKILL');
  },
});
