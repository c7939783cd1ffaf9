import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { auditBreakOf } from '@certmill/domain';
import { describeAudit } from '@certmill/ports/conformance';
import { openAuditFolder } from './audit-folder.js';

describeAudit('the audit trail in a folder', () => {
  const directory = mkdtempSync(join(tmpdir(), 'certmill-audit-'));
  return Promise.resolve({
    stores: openAuditFolder(directory),
    close: () => rm(directory, { recursive: true }),
  });
});

describe('the audit trail in a folder', () => {
  let directory: string;
  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'certmill-audit-'))));
  afterEach(() => rmSync(directory, { recursive: true }));

  const fileOf = (number: number): string =>
    join(directory, 'audit', `${String(number).padStart(8, '0')}.json`);
  const threeEntries = async () => {
    const trail = openAuditFolder(directory);
    for (const action of ['ca.root.begun', 'ca.root.ended', 'ca.sign.begun']) {
      await trail.appendAudit({ atMs: 1, actor: 'somebody', action, detail: { name: 'root' } });
    }
    return trail;
  };

  it('says that there is no room, and leaves nothing that grows with each try', () => {
    const program = `import(${JSON.stringify(new URL('./audit-folder.js', import.meta.url))})
      .then(({ openAuditFolder }) =>
        openAuditFolder(${JSON.stringify(directory)})
          .appendAudit({ atMs: 1, actor: 'a', action: 'ca.root.begun', detail: {} }))
      .catch((fault) => console.log(fault.code));`;
    // A limit on the size of files fails writes in the same place.
    const limited = ['-c', 'ulimit -f 0; exec "$0" --eval "$1"', process.execPath, program];
    expect(execFileSync('sh', limited, { encoding: 'utf8' })).toBe('FAULT_DISK_FULL\n');
    expect(readdirSync(join(directory, 'audit'))).toEqual([]);
  });

  it('shows an entry that was changed, and one that was taken away', async () => {
    const trail = await threeEntries();
    const text = readFileSync(fileOf(2), 'utf8');
    writeFileSync(fileOf(2), text.replace('somebody', 'nobody'));
    expect(auditBreakOf(await trail.listAudit({ limit: 9 }))).toBe(2);
    rmSync(fileOf(2));
    expect(auditBreakOf(await trail.listAudit({ limit: 9 }))).toBe(2);
  });

  it('is told as broken where an entry cannot be read', async () => {
    const trail = await threeEntries();
    writeFileSync(fileOf(3), '{');
    await expect(trail.listAudit({ limit: 9 })).rejects.toMatchObject({
      code: 'FAULT_AUDIT_BROKEN',
    });
    const entry = { atMs: 2, actor: 'a', action: 'b', detail: {} };
    await expect(trail.appendAudit(entry)).rejects.toMatchObject({ code: 'FAULT_AUDIT_BROKEN' });
  });
});
