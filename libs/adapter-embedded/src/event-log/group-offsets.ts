import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import type { Disk } from '../disk.js';
import { isMissing } from './log-fault.js';

const fileName = 'groups.json';
/** At most so often are commits persisted: a kill -9 redelivers what came since. */
const persistEveryMs = 200;

interface StoredGroups {
  readonly version: 1;
  readonly groups: Readonly<Record<string, number>>;
}

/**
 * The committed offset of every group that ever subscribed to a topic: the first record that is not
 * known to be handled. Replaced as a whole (rename), lazily.
 */
export class GroupOffsets {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #onPersisted: () => Promise<void>;
  readonly #committed: Map<string, number>;
  #persisted: ReadonlyMap<string, number>;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  private constructor(
    disk: Disk,
    directory: string,
    committed: Map<string, number>,
    onPersisted: () => Promise<void>,
  ) {
    this.#disk = disk;
    this.#directory = directory;
    this.#committed = committed;
    this.#persisted = new Map(committed);
    this.#onPersisted = onPersisted;
  }

  /** @param onPersisted called after the offsets moved durably: segments may be free now. */
  static async open(
    disk: Disk,
    directory: string,
    onPersisted: () => Promise<void>,
  ): Promise<GroupOffsets> {
    const path = join(directory, fileName);
    const stored = await readGroups(disk, path);
    return new GroupOffsets(disk, directory, new Map(Object.entries(stored)), onPersisted);
  }

  get groups(): readonly string[] {
    return [...this.#committed.keys()];
  }

  committed(group: string): number | undefined {
    return this.#committed.get(group);
  }

  /** The lowest offset that is durably committed by every group; undefined without a group. */
  get lowestPersisted(): number | undefined {
    return this.#persisted.size === 0 ? undefined : Math.min(...this.#persisted.values());
  }

  /** Makes a group known, durably, at an offset. */
  async add(group: string, offset: number): Promise<void> {
    if (this.#committed.has(group)) return;
    this.#committed.set(group, offset);
    try {
      await this.flush();
    } catch (error) {
      this.#committed.delete(group);
      throw error;
    }
  }

  commit(group: string, offset: number): void {
    this.#committed.set(group, offset);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.flush().catch(() => {
        // The offsets stay where they were, which is safe; the next commit tries again.
      });
    }, persistEveryMs).unref();
  }

  /** Persists what is committed now. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const write = this.#writing.then(() => this.#write());
    this.#writing = write.catch(() => undefined);
    return write;
  }

  async #write(): Promise<void> {
    const snapshot = new Map(this.#committed);
    if (isEqual(snapshot, this.#persisted)) return;
    const stored: StoredGroups = { version: 1, groups: Object.fromEntries(snapshot) };
    const path = join(this.#directory, fileName);
    const next = `${path}.next`;
    await this.#disk.unlink(next).catch((error: unknown) => {
      if (!isMissing(error)) throw error;
    });
    const file = await this.#disk.create(next);
    try {
      await file.write([Buffer.from(JSON.stringify(stored))], 0);
      await file.datasync();
    } finally {
      await file.close();
    }
    await this.#disk.rename(next, path);
    await this.#disk.syncDirectory(this.#directory);
    this.#persisted = snapshot;
    await this.#onPersisted();
  }
}

async function readGroups(disk: Disk, path: string): Promise<Readonly<Record<string, number>>> {
  let bytes: Buffer;
  try {
    const file = await disk.open(path);
    try {
      bytes = Buffer.alloc(await file.size());
      await file.read(bytes, 0);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isMissing(error)) return {};
    throw error;
  }
  try {
    const stored: unknown = JSON.parse(bytes.toString('utf8'));
    if (isStoredGroups(stored)) return stored.groups;
  } catch (cause) {
    throw new CertmillError('FAULT_STORE_CORRUPT', `${path} is not JSON`, { cause });
  }
  throw new CertmillError('DATA_FORMAT_UNSUPPORTED', `${path} is of another release`);
}

function isStoredGroups(value: unknown): value is StoredGroups {
  return (
    typeof value === 'object' &&
    value !== null &&
    'version' in value &&
    value.version === 1 &&
    'groups' in value &&
    typeof value.groups === 'object' &&
    value.groups !== null &&
    Object.values(value.groups).every((offset) => Number.isSafeInteger(offset))
  );
}

function isEqual(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): boolean {
  return a.size === b.size && [...a].every(([group, offset]) => b.get(group) === offset);
}
