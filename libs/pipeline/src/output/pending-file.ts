import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, basename, join } from 'node:path';

/**
 * A file that appears under its name only once it is whole: it is written as `.<name>.part` beside
 * it. One that a killed run left is overwritten by the next.
 */
export class PendingFile {
  readonly path: string;
  readonly partPath: string;
  #bytes = 0;
  readonly #handle: FileHandle;

  private constructor(path: string, partPath: string, handle: FileHandle) {
    this.path = path;
    this.partPath = partPath;
    this.#handle = handle;
  }

  static async create(path: string): Promise<PendingFile> {
    const partPath = join(dirname(path), `.${basename(path)}.part`);
    return new PendingFile(path, partPath, await open(partPath, 'w+'));
  }

  get bytes(): number {
    return this.#bytes;
  }

  async append(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    this.#bytes += bytes.length;
    await this.#handle.writeFile(bytes);
  }

  /** On disk and under its name when it resolves. */
  async commit(): Promise<void> {
    await this.#handle.sync();
    await this.#handle.close();
    await rename(this.partPath, this.path);
  }

  async discard(): Promise<void> {
    await this.#handle.close();
    await rm(this.partPath, { force: true });
  }
}
