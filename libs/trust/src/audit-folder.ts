import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import {
  canonicalJson,
  CertmillError,
  chainAuditEntry,
  type ChainedAuditEntry,
} from '@certmill/domain';
import type { AuditStore } from '@certmill/ports';
import { createFileAtomically, isErrorCode, publicFileMode } from './atomic-file.js';

/** In the data folder. */
export const auditFolderName = 'audit';

const digits = 8;
const fileNamePattern = /^\d{8}\.json$/;

const entrySchema = z.object({
  atMs: z.number(),
  tenant: z.string().optional(),
  actor: z.string(),
  action: z.string(),
  detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  sequence: z.int(),
  hash: z.string(),
});

/**
 * The audit trail of a data folder that has no store, such as that of an offline root: a file for each
 * entry in `audit/`. Whoever makes a number first goes on from the entry before it.
 */
export function openAuditFolder(dataDirectory: string): AuditStore {
  const folder = join(dataDirectory, auditFolderName);
  return {
    async appendAudit(entry) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      for (;;) {
        const last = (await numbersIn(folder)).at(-1);
        const before = last === undefined ? undefined : await readEntry(folder, last);
        const chained = chainAuditEntry(entry, before);
        const file = join(folder, fileNameOf(chained.sequence));
        const content = `${canonicalJson(chained)}\n`;
        if (await createFileAtomically(file, content, publicFileMode)) return chained;
      }
    },
    async listAudit({ limit, after = 0 }) {
      const numbers = (await numbersIn(folder)).filter((number) => number > after);
      return Promise.all(numbers.slice(0, limit).map((number) => readEntry(folder, number)));
    },
  };
}

/** Ascending; none where there is no folder. */
async function numbersIn(folder: string): Promise<readonly number[]> {
  try {
    const names = await readdir(folder);
    return names
      .filter((name) => fileNamePattern.test(name))
      .map((name) => Number(name.slice(0, digits)))
      .sort((one, other) => one - other);
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT')) return [];
    throw cause;
  }
}

async function readEntry(folder: string, number: number): Promise<ChainedAuditEntry> {
  const file = join(folder, fileNameOf(number));
  try {
    const { tenant, ...entry } = entrySchema.parse(JSON.parse(await readFile(file, 'utf8')));
    return tenant === undefined ? entry : { ...entry, tenant };
  } catch (cause) {
    throw new CertmillError('FAULT_AUDIT_BROKEN', `${file} cannot be read`, { cause });
  }
}

function fileNameOf(number: number): string {
  return `${String(number).padStart(digits, '0')}.json`;
}
