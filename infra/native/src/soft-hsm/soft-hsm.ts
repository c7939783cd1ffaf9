import { randomInt, randomUUID } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../process/run-command.js';
import { findSoftHsm, type SoftHsmProgram } from './find-soft-hsm.js';

export interface TokenOptions {
  readonly label: string;
  /** Random digits unless told. */
  readonly pin?: string;
  readonly soPin?: string;
}

export interface Token {
  readonly label: string;
  readonly pin: string;
  /** Holds the PIN, readable by its owner only. */
  readonly pinFile: string;
}

export interface ImportOptions {
  readonly token: Token;
  readonly key: KeyObject;
  readonly label: string;
  /** CKA_ID, of the private and the public object. */
  readonly idHex: string;
}

function randomPin(): string {
  return String(randomInt(10_000_000, 100_000_000));
}

/** A fresh folder of SoftHSM2 tokens with a configuration of its own. */
export class SoftHsm {
  readonly #folder: string;
  readonly #program: SoftHsmProgram;

  private constructor(folder: string, program: SoftHsmProgram) {
    this.#folder = folder;
    this.#program = program;
  }

  /** Without tokens. `folder` MUST be new; see makeRunFolder. */
  static async open(folder: string): Promise<SoftHsm> {
    const program = await findSoftHsm();
    await mkdir(join(folder, 'tokens'), { recursive: true, mode: 0o700 });
    await writeFile(
      join(folder, 'softhsm2.conf'),
      [
        `directories.tokendir = ${join(folder, 'tokens')}`,
        ...['objectstore.backend = file', 'log.level = ERROR', 'slots.removable = false', ''],
      ].join('\n'),
    );
    return new SoftHsm(folder, program);
  }

  get moduleFile(): string {
    return this.#program.moduleFile;
  }

  /** softhsm2-util, which goes with the module. */
  get utility(): string {
    return this.#program.utility;
  }

  get configFile(): string {
    return join(this.#folder, 'softhsm2.conf');
  }

  /** What a process needs from its start to load the module: SoftHSM reads it once. */
  get environment(): Readonly<Record<string, string>> {
    return { ...this.#program.environment, SOFTHSM2_CONF: this.configFile };
  }

  /** Processes that have the module loaded do not see a token that comes later. */
  async createToken(options: TokenOptions): Promise<Token> {
    const { label, pin = randomPin(), soPin = randomPin() } = options;
    await this.#run(['--init-token', '--free', '--label', label, '--pin', pin, '--so-pin', soPin]);
    return { label, pin, pinFile: await this.writePinFile(label, pin) };
  }

  /** For wrong and changed PINs too. */
  async writePinFile(name: string, pin: string): Promise<string> {
    const file = join(this.#folder, `${name}.pin`);
    await writeFile(file, pin, { mode: 0o600 });
    return file;
  }

  /** Puts a private key and its public half into a token. */
  async importKey(options: ImportOptions): Promise<void> {
    const { token, key, label, idHex } = options;
    const file = join(this.#folder, `${randomUUID()}.key`);
    await writeFile(file, key.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
    try {
      await this.#run([
        ...['--import', file, '--token', token.label, '--pin', token.pin],
        ...['--label', label, '--id', idHex],
      ]);
    } finally {
      await rm(file);
    }
  }

  async #run(args: readonly string[]): Promise<void> {
    const { utility, moduleFile } = this.#program;
    await runCommand(utility, ['--module', moduleFile, ...args], {
      purpose: 'SoftHSM2',
      install: 'SoftHSM2 (Debian: softhsm2)',
      environment: this.environment,
    });
  }
}
