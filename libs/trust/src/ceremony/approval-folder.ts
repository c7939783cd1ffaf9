import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { canonicalJson, CertmillError } from '@certmill/domain';
import type { ApprovalLedger, UsedApprovals } from '@certmill/ports';
import {
  createFileAtomically,
  isErrorCode,
  publicFileMode,
  writeFileAtomically,
} from '../atomic-file.js';
import { takeFileLock } from '../hierarchy/folder-lock.js';

const fileEnding = '.json';
const fileNamePattern = /^[0-9a-f]{32}\.json$/;

const recordSchema = z.object({
  useId: z.string(),
  usedAt: z.string(),
  kind: z.string(),
  sha256: z.string(),
  approvals: z.array(z.unknown()),
  endedAt: z.string().optional(),
});

/**
 * The approvals that were used in a data folder: a file for each operation in `approvals/`, made
 * exclusively, so that commands and the server count as one.
 */
export function openApprovalFolder(dataDirectory: string): ApprovalLedger {
  const folder = approvalFolderOf(dataDirectory);
  return {
    findUse: (operationId) => findUse(dataDirectory, operationId),
    async useApprovals(used) {
      const { operationId, ...record } = used;
      const file = fileOf(dataDirectory, operationId);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      if (await createFileAtomically(file, `${canonicalJson(record)}\n`, publicFileMode)) {
        return used;
      }
      return readRecord(file, operationId);
    },
  };
}

/**
 * Refuses what was approved once and is done (CONFLICT). One that failed or was killed before that is
 * not.
 */
export async function assertNotEnded(dataDirectory: string, operationId: string): Promise<void> {
  const used = await findUse(dataDirectory, operationId);
  if (used?.endedAt === undefined) return;
  throw new CertmillError(
    'CONFLICT',
    `operation ${operationId} was done at ${used.endedAt}: its approvals are used up`,
  );
}

/**
 * Takes an operation for this process until it is released, or the process is gone: its approvals are for
 * one at a time. CONFLICT where another has it. The lock is an empty file beside the record, and stays.
 */
export async function holdUse(dataDirectory: string, operationId: string): Promise<() => void> {
  const lock = join(approvalFolderOf(dataDirectory), `.${operationId}.lock`);
  const release = await takeFileLock(lock, 0);
  if (release !== undefined) return release;
  throw new CertmillError(
    'CONFLICT',
    `operation ${operationId} is being done by another command: its approvals are for one`,
  );
}

/** Marks what was approved as done, durably. */
export async function endUse(
  dataDirectory: string,
  operationId: string,
  nowMs: number,
): Promise<void> {
  const used = await findUse(dataDirectory, operationId);
  if (used === undefined) return;
  const { operationId: id, ...record } = used;
  const text = canonicalJson({ ...record, endedAt: new Date(nowMs).toISOString() });
  await writeFileAtomically(fileOf(dataDirectory, id), `${text}\n`, publicFileMode);
}

async function findUse(
  dataDirectory: string,
  operationId: string,
): Promise<UsedApprovals | undefined> {
  try {
    return await readRecord(fileOf(dataDirectory, operationId), operationId);
  } catch (error) {
    if (error instanceof Error && isErrorCode(error.cause, 'ENOENT')) return undefined;
    throw error;
  }
}

function fileOf(dataDirectory: string, operationId: string): string {
  return join(approvalFolderOf(dataDirectory), operationId + fileEnding);
}

/** All that were used in a data folder. FAULT_STORE_CORRUPT where one cannot be read. */
export async function readApprovalFolder(dataDirectory: string): Promise<readonly UsedApprovals[]> {
  const folder = approvalFolderOf(dataDirectory);
  let names: readonly string[];
  try {
    names = await readdir(folder);
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT')) return [];
    throw cause;
  }
  return Promise.all(
    names
      .filter((name) => fileNamePattern.test(name))
      .map((name) => readRecord(join(folder, name), name.slice(0, -fileEnding.length))),
  );
}

function approvalFolderOf(dataDirectory: string): string {
  return join(dataDirectory, 'approvals');
}

async function readRecord(file: string, operationId: string): Promise<UsedApprovals> {
  try {
    const { endedAt, ...record } = recordSchema.parse(JSON.parse(await readFile(file, 'utf8')));
    return { operationId, ...record, ...(endedAt === undefined ? {} : { endedAt }) };
  } catch (cause) {
    throw new CertmillError('FAULT_STORE_CORRUPT', `${file} cannot be read`, { cause });
  }
}
