import { Command } from 'commander';
import { auditBreakOf, CertmillError, type ChainedAuditEntry } from '@certmill/domain';
import type { AuditStore } from '@certmill/ports';
import { openStoreForReading } from '@certmill/standalone';
import { openClient, withServerOptions, type ServerOptions } from '../client/server-options.js';
import { withExamples } from '../terminal/program.js';
import { formatNumber } from '../terminal/quantities.js';
import { tableLines } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';
import { dataOption } from './data-option.js';

interface AuditOptions extends ServerOptions {
  readonly data: string;
  readonly action?: string;
}

const entriesAtOnce = 500;

export function auditCommand(terminal: Terminal): Command {
  return new Command('audit')
    .description('the audit trail of a data folder, or with --server of a server: list, verify')
    .addCommand(listCommand(terminal))
    .addCommand(verifyCommand(terminal));
}

function listCommand(terminal: Terminal): Command {
  const command = new Command('list')
    .description('who did what, oldest first')
    .option('--action <action>', 'only these, e.g. certificate.revoked')
    .addOption(dataOption())
    .action(async (options: AuditOptions) => {
      const entries: ChainedAuditEntry[] = [];
      await readTrail(terminal, options, (page) => {
        const { action } = options;
        entries.push(...page.filter((entry) => action === undefined || entry.action === action));
      });
      const rows = entries.map(({ sequence, atMs, tenant, actor, action, detail }) => [
        sequence,
        new Date(atMs).toISOString(),
        tenant ?? '',
        actor,
        action,
        Object.entries(detail)
          .map(([name, value]) => `${name}=${String(value)}`)
          .join(' '),
      ]);
      terminal.report(
        { entries },
        rows.length === 0
          ? ['no entries']
          : tableLines(['#', 'at', 'tenant', 'actor', 'action', 'detail'], rows),
      );
    });
  return withExamples(withServerOptions(command), [
    ['certmill audit list', 'a table'],
    ['certmill audit list --action certificate.revoked --json', 'for a script'],
  ]);
}

function verifyCommand(terminal: Terminal): Command {
  const command = new Command('verify')
    .description('check that no entry was changed, or left out between others')
    .addOption(dataOption())
    .action(async (options: AuditOptions) => {
      let last: ChainedAuditEntry | undefined;
      await readTrail(terminal, options, (page) => {
        const broken = auditBreakOf(page, last);
        if (broken !== undefined) {
          throw new CertmillError(
            'FAULT_AUDIT_BROKEN',
            `the audit trail is broken at entry ${String(broken)}: it was changed, or entries are missing`,
          );
        }
        last = page.at(-1) ?? last;
      });
      const { sequence = 0, hash = '' } = last ?? {};
      terminal.report({ entries: sequence, lastHash: hash }, [
        `${formatNumber(sequence)} entries, each behind the one before; the last one's hash is ${hash || 'none'}`,
        'keep it elsewhere: entries that are cut off at the end are told by it alone',
      ]);
    });
  return withExamples(withServerOptions(command), [
    ['certmill audit verify', 'exit status 1 where the chain is broken'],
  ]);
}

async function readTrail(
  terminal: Terminal,
  options: AuditOptions,
  onPage: (entries: readonly ChainedAuditEntry[]) => void,
): Promise<void> {
  if (options.server !== undefined) {
    using client = openClient(terminal, options);
    await readPages((page) => client.listAudit(page), onPage);
    return;
  }
  await using opened = await openStoreForReading(options.data);
  await readPages((page) => opened.store.listAudit(page), onPage);
}

async function readPages(
  list: AuditStore['listAudit'],
  onPage: (entries: readonly ChainedAuditEntry[]) => void,
): Promise<void> {
  let after = 0;
  for (;;) {
    const page = await list({ limit: entriesAtOnce, after });
    onPage(page);
    const last = page.at(-1);
    if (last === undefined || page.length < entriesAtOnce) return;
    after = last.sequence;
  }
}
