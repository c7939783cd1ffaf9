import { existsSync } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { CertmillError, diskFullFault } from '@certmill/domain';

/**
 * A file that a command writes once it has signed or made what goes into it. It is opened before: a place
 * where nothing can be written is told while nothing has been signed. Disposed without `write`, it is not there, or as it was.
 */
export class ResultFile implements AsyncDisposable {
  readonly #file: string;
  readonly #handle: FileHandle;
  readonly #isNew: boolean;
  #isWritten = false;

  private constructor(file: string, handle: FileHandle, isNew: boolean) {
    this.#file = file;
    this.#handle = handle;
    this.#isNew = isNew;
  }

  /** INVALID_INPUT where it cannot be written; FAULT_DISK_FULL. */
  static async open(file: string): Promise<ResultFile> {
    const isNew = !existsSync(file);
    try {
      // Not truncated: what lies there stays until there is something else.
      return new ResultFile(file, await open(file, 'a'), isNew);
    } catch (cause) {
      throw unwritable(file, cause);
    }
  }

  /** In the place of all that lies there. FAULT_DISK_FULL. */
  async write(content: string | Uint8Array): Promise<void> {
    try {
      // A pipe and a terminal have no length.
      if ((await this.#handle.stat()).isFile()) await this.#handle.truncate(0);
      await this.#handle.writeFile(content);
      this.#isWritten = true;
    } catch (cause) {
      throw unwritable(this.#file, cause);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
    if (this.#isNew && !this.#isWritten) await rm(this.#file, { force: true });
  }
}

/** Writes what costs nothing to make again. Faults: those of `ResultFile`. */
export async function writeResult(file: string, content: string | Uint8Array): Promise<void> {
  await using result = await ResultFile.open(file);
  await result.write(content);
}

function unwritable(file: string, cause: unknown): CertmillError {
  const hasCode = typeof cause === 'object' && cause !== null && 'code' in cause;
  const code = hasCode ? ` (${String(cause.code)})` : '';
  return (
    diskFullFault(cause, file) ??
    new CertmillError('INVALID_INPUT', `cannot write ${file}${code}`, { cause })
  );
}
