import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { approve } from '../approval.js';
import type { CeremonyFile } from '../ceremony-file.js';
import { newOperationId } from '../operation.js';
import { ceremonyOperation } from '../parse-ceremony.js';
import { codeHash } from '../running-software.js';
import { type CeremonyResult, type CeremonyRun, runCeremony } from '../run-ceremony.js';
import type { Custody } from '../step-context.js';
import { parseTranscript, type Transcript } from '../transcript.js';
import { aCeremony, aliceAndFriends } from './a-ceremony.js';

export const ceremonyMs = Date.parse('2026-11-22T12:00:00Z');

/** Custodians who are all there; with keys and not with passphrases, which cost 0.3 s each. */
export function custodiansWith(privateKey: KeyObject): Custody {
  const publicKey = createPublicKey(privateKey).export({ format: 'pem', type: 'spki' });
  return {
    folderPassphrase: () => Promise.resolve('the folder'),
    lockOf: () => Promise.resolve({ encryptionKey: publicKey.toString() }),
    secretOf: () => Promise.resolve({ privateKey }),
    shares: [],
  };
}

export const everybody = custodiansWith(generateKeyPairSync('x25519').privateKey);

/** A ceremony of its own id, with the steps. */
export function aCeremonyOf(...steps: CeremonyFile['steps']): CeremonyFile {
  return aCeremony({ id: newOperationId(), steps });
}

/** A run that alice and bob approve; the clock goes on by 10 ms at each look. */
export function aRun(
  dataDirectory: string,
  ceremony: CeremonyFile,
  changes: Partial<CeremonyRun> = {},
): CeremonyRun {
  let nowMs = ceremonyMs;
  const { alice, bob } = aliceAndFriends;
  const time = { nowMs: ceremonyMs, expiresMs: ceremonyMs + 3_600_000 };
  const operation = ceremonyOperation(ceremony);
  return {
    ceremony,
    dataDirectory,
    approvals: [alice, bob].map((one) => approve(operation, one.name, one.privateKey, time)),
    custody: everybody,
    software: {
      ...{ version: '0.1.0', packages: [], nodeSha256: '0'.repeat(64) },
      codeSha256: codeHash([]),
    },
    machine: {
      ...{ platform: 'linux', architecture: 'x64', node: '24', openssl: '3.5' },
      networkInterfaces: 0,
    },
    now: () => (nowMs += 10),
    readInput: async (file) => readFile(join(dataDirectory, file)),
    ...changes,
  };
}

export function play(
  dataDirectory: string,
  steps: CeremonyFile['steps'],
  changes: Partial<CeremonyRun> = {},
): Promise<CeremonyResult> {
  return runCeremony(aRun(dataDirectory, aCeremonyOf(...steps), changes));
}

export async function transcriptOf({ transcriptFile }: CeremonyResult): Promise<Transcript> {
  return parseTranscript(await readFile(transcriptFile, 'utf8'), transcriptFile);
}
