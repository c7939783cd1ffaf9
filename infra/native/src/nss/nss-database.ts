import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { unpackDebian, type UnpackedPackage } from '../install/debian.js';

const run = promisify(execFile);

/** certutil and crlutil of Mozilla's NSS: the system's packages, unpacked where they are missing. */
export function findNssTools(): Promise<UnpackedPackage> {
  return unpackDebian({
    name: 'libnss3-tools',
    together: ['libnss3', 'libnspr4'],
    programs: ['certutil', 'crlutil'],
    purpose: 'NSS',
    install: 'certutil and crlutil (Debian: libnss3-tools)',
  });
}

/** What a certificate is asked to be good for, in certutil's letters. */
export type NssUsage = 'client' | 'server' | 'status responder';

const usageLetters: Readonly<Record<NssUsage, string>> = {
  client: 'C',
  server: 'V',
  'status responder': 'O',
};

/** A certificate database of its own in a temporary folder. */
export class NssDatabase {
  readonly #tools: UnpackedPackage;
  readonly #folder: string;

  private constructor(tools: UnpackedPackage, folder: string) {
    this.#tools = tools;
    this.#folder = folder;
  }

  static async create(): Promise<NssDatabase> {
    const tools = await findNssTools();
    const database = new NssDatabase(tools, await mkdtemp(join(tmpdir(), 'certmill-nss-')));
    await database.#call('certutil', '-N', '--empty-password');
    return database;
  }

  /** @param trust `root` makes it a trust anchor for clients, servers and everything. */
  async addCertificate(name: string, der: Uint8Array, trust: 'root' | 'none'): Promise<void> {
    const file = await this.#file(`${name}.der`, der);
    const flags = trust === 'root' ? 'CT,C,C' : ',,';
    await this.#call('certutil', '-A', '-n', name, '-t', flags, '-i', file);
  }

  /** Verified when it is taken in: one that NSS does not take is an error. */
  async addCrl(der: Uint8Array): Promise<void> {
    await this.#call('crlutil', '-I', '-i', await this.#file('list.crl', der));
  }

  /** `valid`, or what NSS says against it. */
  async verdictOn(name: string, usage: NssUsage): Promise<string> {
    try {
      const { stdout } = await this.#call(
        'certutil',
        ...['-V', '-e', '-n', name, '-u', usageLetters[usage]],
      );
      return stdout.includes('certificate is valid') ? 'valid' : stdout.trim();
    } catch (error) {
      const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
      return `${stdout}${stderr}`.trim();
    }
  }

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #file(name: string, bytes: Uint8Array): Promise<string> {
    const file = join(this.#folder, name);
    await writeFile(file, bytes);
    return file;
  }

  #call(program: string, ...args: readonly string[]) {
    const { programFile } = this.#tools;
    return run(programFile(program), ['-d', `sql:${this.#folder}`, ...args]);
  }
}
