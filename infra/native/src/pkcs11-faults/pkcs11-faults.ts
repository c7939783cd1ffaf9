import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { buildFaultsModule } from './build-faults-module.js';

export const faultFunctions = [
  ...(['C_Initialize', 'C_GetSlotList', 'C_OpenSession', 'C_CloseSession', 'C_Login'] as const),
  ...(['C_FindObjectsInit', 'C_SignInit', 'C_Sign'] as const),
] as const;

export interface Pkcs11Fault {
  readonly function: (typeof faultFunctions)[number];
  /** `fail`: the CKR value that the call returns. `sleepMs`: the call is passed on afterwards. */
  readonly does: { readonly fail: number } | { readonly sleepMs: number };
  /** Everywhere unless told. A slot id, or a label without blanks. */
  readonly at?: { readonly slot: number } | { readonly token: string };
  /** How many calls of a process it meets; all unless told. */
  readonly times?: number;
}

function lineOf(fault: Pkcs11Fault): string {
  const { does, at, times } = fault;
  if (at !== undefined && 'token' in at && !/^[^\s]{1,32}$/.test(at.token)) {
    throw new CertmillError('INVALID_INPUT', 'a fault is for a token label without blanks');
  }
  const words: (string | number)[] = [fault.function];
  words.push(...('fail' in does ? ['fail', does.fail] : ['sleep', does.sleepMs]));
  if (at !== undefined) words.push(...('slot' in at ? ['slot', at.slot] : ['token', at.token]));
  if (times !== undefined) words.push('times', times);
  return `${words.join(' ')}\n`;
}

/** Lets calls of a PKCS#11 module fail or hang, in any process that has the environment. */
export class Pkcs11Faults {
  /** To be loaded in the place of the real module. */
  readonly moduleFile: string;
  /** What a process needs from its start. */
  readonly environment: Readonly<Record<string, string>>;
  readonly #controlFile: string;

  private constructor(moduleFile: string, realModule: string, controlFile: string) {
    this.moduleFile = moduleFile;
    this.#controlFile = controlFile;
    this.environment = {
      CERTMILL_FAULTS_MODULE: realModule,
      CERTMILL_FAULTS_CONTROL: controlFile,
    };
  }

  /** Without faults. `folder` takes the file that the processes read. */
  static async open(folder: string, realModule: string): Promise<Pkcs11Faults> {
    const moduleFile = await buildFaultsModule();
    await mkdir(folder, { recursive: true });
    const faults = new Pkcs11Faults(moduleFile, realModule, join(folder, 'faults'));
    await faults.set();
    return faults;
  }

  /**
   * Puts these in the place of those before, from each process's next call on; the first that fits a
   * call counts. A call that sleeps already sleeps on.
   */
  async set(...faults: readonly Pkcs11Fault[]): Promise<void> {
    const part = `${this.#controlFile}.part`;
    await writeFile(part, faults.map(lineOf).join(''));
    await rename(part, this.#controlFile);
  }
}
