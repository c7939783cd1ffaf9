import { generateKeyPairSync } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { newHopKeyFile, rotatedHopKeyFile, type RotationStep } from './hop-key-file.js';

const hopNames = ['received', 'validated', 'issued'] as const;

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
  return files;
}

/** One step of a rotation of all hop keys of a folder; nothing is changed where a file is out of turn. */
export function rotateFleetKeys(
  directory: string,
  step: RotationStep,
  nowMs: number,
): FleetKeyFiles {
  const files = filesIn(directory);
  const texts = hopNames.map((name) => rotatedHopKeyFile(files.hopKeys[name], step, nowMs));
  hopNames.forEach((name, i) => {
    const temporary = `${files.hopKeys[name]}.tmp`;
    writeSecret(temporary, texts[i] ?? '', 'w');
    renameSync(temporary, files.hopKeys[name]);
  });
  return files;
}

function writeSecret(path: string, text: string, flag: 'w' | 'wx'): void {
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
