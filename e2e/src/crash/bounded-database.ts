import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { storeDisk as faultyDisk } from './faulty-disks.js';
import type { StoreDisk } from '@certmill/adapter-embedded';

/** How soon the store's thread sees that the bound was changed. */
export const boundDelayMs = 50;
/** More pages than a database can have (sqlite.org/limits.html). */
const allPages = 0xffff_fffe;

/** SQLite finds the disk to be full when its database has so many pages more than it has now. */
export function boundDatabase(controlFile: string, morePages: number): void {
  writeFileSync(controlFile, String(morePages));
}

export function unboundDatabase(controlFile: string): void {
  rmSync(controlFile, { force: true });
}

/** For `IssuanceOverrides.storeDiskModule`: this module, with the control file in its URL. */
export function boundedDatabaseModule(controlFile: string): string {
  const url = new URL(import.meta.url);
  url.searchParams.set('bound', controlFile);
  return url.href;
}

const ownControlFile = new URL(import.meta.url).searchParams.get('bound') ?? '';

function followControlFile(db: DatabaseSync): void {
  let inForce = '';
  const follow = (): void => {
    const wanted = existsSync(ownControlFile) ? readFileSync(ownControlFile, 'utf8') : '';
    if (wanted === inForce) return;
    inForce = wanted;
    const pages = Number(db.prepare('PRAGMA page_count').get()?.['page_count']);
    const bound = wanted === '' ? allPages : pages + Number(wanted);
    db.exec(`PRAGMA max_page_count = ${String(bound)}`);
  };
  follow();
  const timer = setInterval(() => {
    if (db.isOpen) follow();
    else clearInterval(timer);
  }, boundDelayMs / 5);
  timer.unref();
}

export const storeDisk: StoreDisk = { ...faultyDisk, prepareDatabase: followControlFile };
