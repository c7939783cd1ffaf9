import { join } from 'node:path';
import { Command } from 'commander';
import { holdsStore } from '@certmill/adapter-embedded';
import { auditBreakOf, CertmillError, type ChainedAuditEntry } from '@certmill/domain';
import type { AuditStore } from '@certmill/ports';
import { openStoreForReading } from '@certmill/standalone/folder';
import { openAuditFolder } from '@certmill/trust';
import { detailLine } from '../audit/detail-line.js';
import {
  openClient,
  withServerInsteadOfFolder,
  type ServerOptions,
} from '../client/server-options.js';
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
      const found: Record<TrailName, ChainedAuditEntry[]> = { folder: [], store: [] };
      await readTrails(terminal, options, (trail, page) => {
        const { action } = options;
        found[trail].push(
          ...page.filter((entry) => action === undefined || entry.action === action),
        );
      });
      const rows = [
        ...found.folder.map((entry) => rowOf(`folder ${String(entry.sequence)}`, entry)),
        ...found.store.map((entry) => rowOf(String(entry.sequence), entry)),
      ];
      terminal.report(
        { entries: found.store, folderEntries: found.folder },
        rows.length === 0
          ? ['no entries']
          : tableLines(['#', 'at', 'tenant', 'actor', 'action', 'detail'], rows),
      );
    });
  return withExamples(withServerInsteadOfFolder(command), [
    ['certmill audit list', 'a table'],
    ['certmill audit list --action certificate.revoked --json', 'for a script'],
  ]);
}

function verifyCommand(terminal: Terminal): Command {
  const command = new Command('verify')
    .description('check that no entry was changed, or left out between others')
    .addOption(dataOption())
    .action(async (options: AuditOptions) => {
      const last: Partial<Record<TrailName, ChainedAuditEntry>> = {};
      await readTrails(terminal, options, (trail, page) => {
        const broken = auditBreakOf(page, last[trail]);
        if (broken !== undefined) {
          throw new CertmillError(
            'FAULT_AUDIT_BROKEN',
            `the audit trail${trail === 'folder' ? ' of the folder' : ''} is broken at entry ` +
              `${String(broken)}: it was changed, or entries are missing`,
          );
        }
        const end = page.at(-1);
        if (end !== undefined) last[trail] = end;
      });
      const whole = endOf(last.store);
      const { folder } = last;
      terminal.report({ ...whole, ...(folder === undefined ? {} : { folder: endOf(folder) }) }, [
        ...(folder !== undefined && whole.entries === 0 ? [] : [lineOf(whole)]),
        ...(folder === undefined
          ? []
          : [`of the folder, without a store: ${lineOf(endOf(folder))}`]),
        'keep it elsewhere: entries that are cut off at the end are told by it alone',
      ]);
    });
  return withExamples(withServerInsteadOfFolder(command), [
    ['certmill audit verify', 'exit status 1 where the chain is broken'],
  ]);
}

function rowOf(number: string, entry: ChainedAuditEntry): string[] {
  const { atMs, tenant, actor, action, detail } = entry;
  return [number, new Date(atMs).toISOString(), tenant ?? '', actor, action, detailLine(detail)];
}

interface TrailEnd {
  readonly entries: number;
  readonly lastHash: string;
}

function endOf(last: ChainedAuditEntry | undefined): TrailEnd {
  return { entries: last?.sequence ?? 0, lastHash: last?.hash ?? '' };
}

function lineOf({ entries, lastHash }: TrailEnd): string {
  return `${formatNumber(entries)} entries, each behind the one before; the last one's hash is ${lastHash || 'none'}`;
}

/** That of the store, and what was noted in the data folder where no store was at hand. */
type TrailName = 'folder' | 'store';

async function readTrails(
  terminal: Terminal,
  options: AuditOptions,
  onPage: (trail: TrailName, entries: readonly ChainedAuditEntry[]) => void,
): Promise<void> {
  if (options.server !== undefined) {
    using client = openClient(terminal, options);
    await readPages(
      (page) => client.listAudit(page),
      (entries) => onPage('store', entries),
    );
    return;
  }
  let noted = 0;
  const folder = openAuditFolder(options.data);
  await readPages(
    (page) => folder.listAudit(page),
    (entries) => {
      noted += entries.length;
      onPage('folder', entries);
    },
  );
  if (noted > 0 && !holdsStore(join(options.data, 'store'))) return;
  await using opened = await openStoreForReading(options.data);
  await readPages(
    (page) => opened.store.listAudit(page),
    (entries) => onPage('store', entries),
  );
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
