import { join } from 'node:path';
import type { LogHead, StatusMarks } from '@certmill/adapter-mongo';
import { CertmillError } from '@certmill/domain';
import { statusSealsOf, type StatusSeals } from '@certmill/pipeline';
import { isErrorCode, publicFileMode, writeFileAtomically } from '@certmill/trust';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { FleetConfig } from '../config/fleet-config.js';
import { hopKeysFor } from './hops-of.js';

/** What seals and checks the log of status changes (ADR 0035). CONFIG_INVALID where its keys are missing. */
export function statusSealsFor(config: Pick<FleetConfig, 'hopKeys'>): StatusSeals {
  return statusSealsOf(hopKeysFor('status', config));
}

const headSchema = z.strictObject({ number: z.int().min(0), seal: z.string() });

/**
 * Heads in a folder of this process alone, a file for each scope: they outlive it. Faults: CONFIG_INVALID
 * where a file of it cannot be read or written.
 */
export class MarksInFolder implements StatusMarks {
  readonly #folder: string;
  readonly #read = new Map<string, LogHead>();
  /** One after the other: a file never goes back. */
  #written: Promise<void> = Promise.resolve();

  constructor(folder: string) {
    this.#folder = folder;
  }

  async get(scope: string): Promise<LogHead | undefined> {
    const known = this.#read.get(scope);
    if (known !== undefined) return known;
    const file = this.#fileOf(scope);
    try {
      const head = headSchema.parse(JSON.parse(await readFile(file, 'utf8')));
      this.#read.set(scope, head);
      return head;
    } catch (cause) {
      if (isErrorCode(cause, 'ENOENT')) return undefined;
      throw unusable(file, cause);
    }
  }

  put(scope: string, head: LogHead): Promise<void> {
    const written = this.#written.then(() => this.#write(scope, head));
    this.#written = written.catch(() => undefined);
    return written;
  }

  async #write(scope: string, head: LogHead): Promise<void> {
    if ((this.#read.get(scope)?.number ?? -1) > head.number) return;
    const file = this.#fileOf(scope);
    try {
      await writeFileAtomically(file, `${JSON.stringify(head)}\n`, publicFileMode);
    } catch (cause) {
      throw unusable(file, cause);
    }
    this.#read.set(scope, head);
  }

  /** `<issuer>/<shard>`; no name of an issuer has a slash or a dot. */
  #fileOf(scope: string): string {
    return join(this.#folder, `${scope.replace('/', '.')}.json`);
  }
}

function unusable(file: string, cause: unknown): CertmillError {
  const why = `${file} cannot be read or written, or holds something else`;
  return new CertmillError('CONFIG_INVALID', `statusMarks: ${why}`, { cause });
}
