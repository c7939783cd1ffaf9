import { open, SeekMode, type File } from 'k6/experimental/fs';

/**
 * A file that only the virtual users who send it hold in memory: k6's own `open` would give every one
 * of them a copy, also those that only enrol.
 */
export class FileBytes {
  readonly #file: File;
  #bytes: ArrayBuffer | undefined;

  private constructor(file: File) {
    this.#file = file;
  }

  static async open(path: string): Promise<FileBytes> {
    return new FileBytes(await open(path));
  }

  async read(): Promise<ArrayBuffer> {
    if (this.#bytes !== undefined) return this.#bytes;
    const { size } = await this.#file.stat();
    const bytes = new Uint8Array(size);
    await this.#file.seek(0, SeekMode.Start);
    let filled = 0;
    while (filled < size) {
      const read = await this.#file.read(bytes.subarray(filled));
      if (read === null || read === 0) break;
      filled += read;
    }
    this.#bytes = bytes.buffer;
    return this.#bytes;
  }
}
