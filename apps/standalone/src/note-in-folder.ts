import { join } from 'node:path';
import { holdsStore, openEmbeddedStore } from '@certmill/adapter-embedded';
import { isCertmillError, type AuditEntry, type FaultCode } from '@certmill/domain';
import { recordAudit } from '@certmill/pipeline';
import { openAuditFolder } from '@certmill/trust';
import { askRunningServer } from './control-socket.js';
import { takeDataFolder } from './data-folder.js';

const clock = { nowMs: () => Date.now() };

/** About the whole installation; of the moment when it is noted. */
export type FolderNote = Pick<AuditEntry, 'actor' | 'action' | 'detail'>;

/**
 * Notes in the audit trail of a data folder what a command does there: in its store, by the server that
 * runs in it, or else in the folder's own trail (`openAuditFolder`), which needs neither. Durable when
 * it resolves. Faults: those of the store.
 */
export async function noteInFolder(directory: string, note: FolderNote): Promise<void> {
  if (!(await isNotedInStore(directory, note))) {
    await recordAudit({ audit: openAuditFolder(directory), clock }, note);
  }
}

async function isNotedInStore(directory: string, note: FolderNote): Promise<boolean> {
  if (!holdsStore(join(directory, 'store'))) return false;
  try {
    const folder = takeDataFolder(directory);
    try {
      const audit = await openEmbeddedStore({ directory: folder.store, clock });
      try {
        await recordAudit({ audit, clock }, note);
        return true;
      } finally {
        await audit.close();
      }
    } finally {
      folder.release();
    }
  } catch (error) {
    if (hasCode(error, 'DATA_FOLDER_IN_USE')) return isNotedByServer(directory, note);
    // A backup, or a folder that was carried into a fleet: its store is not changed any more.
    if (hasCode(error, 'CONFLICT')) return false;
    throw error;
  }
}

/** False where what works in the folder is no server that takes notes. */
async function isNotedByServer(directory: string, entry: FolderNote): Promise<boolean> {
  try {
    await askRunningServer(directory, { command: 'audit', entry });
    return true;
  } catch (error) {
    if (hasCode(error, 'NOT_FOUND', 'INVALID_INPUT')) return false;
    throw error;
  }
}

function hasCode(error: unknown, ...codes: readonly FaultCode[]): boolean {
  return isCertmillError(error) && codes.includes(error.code);
}
