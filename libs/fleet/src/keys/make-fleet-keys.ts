import { generateKeyPairSync } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import {
  hasTakenStep,
  newHopKeyFile,
  rotatedHopKeyFile,
  type RotationStep,
} from './hop-key-file.js';

const hopNames = ['received', 'validated', 'issued', 'status'] as const;

export interface FleetKeyFiles {
  readonly hopKeys: Readonly<Record<(typeof hopNames)[number], string>>;
  readonly manifestKey: string;
}

function filesIn(directory: string): FleetKeyFiles {
  return {
    hopKeys: {
      received: join(directory, 'hop-received.json'),
      validated: join(directory, 'hop-validated.json'),
      issued: join(directory, 'hop-issued.json'),
      status: join(directory, 'hop-status.json'),
    },
    manifestKey: join(directory, 'manifest-key.pem'),
  };
}

/** Makes the keys of a fleet, mode 0600. CONFLICT where one is there: no key is ever written over. */
export function makeFleetKeys(directory: string, nowMs: number): FleetKeyFiles {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const files = filesIn(directory);
  for (const name of hopNames) writeSecret(files.hopKeys[name], newHopKeyFile(nowMs), 'wx');
  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
  writeSecret(files.manifestKey, pem.toString(), 'wx');
  syncFolder(directory);
  return files;
}

/** Their seals stay in the store, so none of their keys is ever dropped (ADR 0035). */
const keptForGood: readonly (typeof hopNames)[number][] = ['status'];

/**
 * One step of a rotation of all hop keys of a folder; nothing is changed where a file is out of turn. A
 * step that was cut off goes on: files that have taken it are left as they are, unless all have.
 */
export function rotateFleetKeys(
  directory: string,
  step: RotationStep,
  nowMs: number,
): FleetKeyFiles {
  const files = filesIn(directory);
  const stepping = hopNames.filter((name) => step !== 'drop' || !keptForGood.includes(name));
  const left = stepping.filter((name) => !hasTakenStep(files.hopKeys[name], step));
  const texts = (left.length === 0 ? stepping : left).map((name) => {
    const keepsKeys = keptForGood.includes(name);
    const path = files.hopKeys[name];
    return { path, text: rotatedHopKeyFile(path, step, nowMs, { keepsKeys }) };
  });
  for (const { path, text } of texts) {
    const temporary = `${path}.tmp`;
    rmSync(temporary, { force: true });
    writeSecret(temporary, text, 'wx');
    renameSync(temporary, path);
  }
  syncFolder(directory);
  return files;
}

/** New names are durable only with their folder. */
function syncFolder(directory: string): void {
  const descriptor = openSync(directory, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function writeSecret(path: string, text: string, flag: 'wx'): void {
  let descriptor: number;
  try {
    descriptor = openSync(path, flag, 0o600);
  } catch (cause) {
    throw new CertmillError(
      'CONFLICT',
      `${path} cannot be made: it is there already, or its folder cannot be written`,
      { cause },
    );
  }
  try {
    writeSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
