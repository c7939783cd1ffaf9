import { readFile } from 'node:fs/promises';
import { CertmillError } from '@certmill/domain';
import type { InspectedKind, VerificationSources } from '@certmill/trust';
import { inspectFile } from '../inspect-file.js';
import {
  folderAuthorities,
  folderStatuses,
  type FolderStatuses,
  type NamedCrl,
} from './verify-folder-sources.js';

export interface SourceOptions {
  readonly trust: readonly string[];
  readonly chain: readonly string[];
  readonly crl: readonly string[];
  readonly ocsp: readonly string[];
  readonly data?: string;
}

export interface Certificate {
  readonly position: number;
  readonly der: Uint8Array;
  readonly isCa: boolean;
}

/** What certificates are verified with, and what people call each of it. */
export interface NamedSources {
  readonly sources: VerificationSources;
  /** By kind of source and index. */
  readonly names: Readonly<Record<'crl' | 'ocsp' | 'record', readonly string[]>>;
  /** Whether a CRL or a response is here that ought to tell the status of this certificate. */
  readonly tellsStatusOf: (certificateDer: Uint8Array) => boolean;
}

const nothing: FolderStatuses = { crls: [], records: [], covered: new Set() };

/** INVALID_INPUT where nothing is trusted, or a file holds nothing of its kind. */
export async function readSources(
  certificates: readonly Certificate[],
  options: SourceOptions,
): Promise<NamedSources> {
  const { data } = options;
  const own = data === undefined ? undefined : await folderAuthorities(data);
  const anchors = [...(await ofKind(options.trust, 'certificate')), ...(own?.anchors ?? [])];
  if (anchors.length === 0) {
    throw new CertmillError('INVALID_INPUT', 'nothing is trusted: give --trust or --data');
  }
  const chain = await ofKind(options.chain, 'certificate');
  const ders = certificates.map(({ der }) => der);
  const stored = data === undefined ? nothing : await folderStatuses(data, ders);
  const given = await ofKind(options.crl, 'crl');
  const crls: readonly NamedCrl[] = [...given, ...(own?.crls ?? []), ...stored.crls];
  const responses = await ofKind(options.ocsp, 'ocsp-response');
  const records = [...(own?.records ?? []), ...stored.records];
  return {
    sources: {
      anchors: anchors.map(derOf),
      intermediates: [
        ...[...chain, ...(own?.intermediates ?? [])].map(derOf),
        ...certificates.filter(({ isCa }) => isCa).map(derOf),
      ],
      crls: crls.map(derOf),
      ocspResponses: responses.map(derOf),
      records,
    },
    names: {
      crl: crls.map(({ name }) => `CRL ${name}`),
      ocsp: responses.map(({ name }) => `OCSP ${name}`),
      record: records.map(({ ca }) => `the record of CA ${ca}`),
    },
    tellsStatusOf: (der) => given.length + responses.length > 0 || stored.covered.has(der),
  };
}

export async function certificatesIn(file: string): Promise<readonly Certificate[]> {
  const items = inspectFile(file, await bytesOf(file));
  const certificates = items.flatMap(({ position, object }) =>
    object?.kind === 'certificate'
      ? [{ position, der: object.der, isCa: JSON.stringify(object.view).includes('"cA":true') }]
      : [],
  );
  if (certificates.length > 0) return certificates;
  throw new CertmillError('INVALID_INPUT', `${file} holds no certificate`);
}

interface Named {
  readonly name: string;
  readonly der: Uint8Array;
}

const derOf = ({ der }: Pick<Named, 'der'>): Uint8Array => der;

async function ofKind(files: readonly string[], kind: InspectedKind): Promise<readonly Named[]> {
  const read = await Promise.all(
    files.map(async (file) => {
      const found = inspectFile(file, await bytesOf(file)).flatMap(({ object }) =>
        object?.kind === kind ? [{ name: file, der: object.der }] : [],
      );
      if (found.length > 0) return found;
      throw new CertmillError('INVALID_INPUT', `${file} holds no ${kind.replaceAll('-', ' ')}`);
    }),
  );
  return read.flat();
}

async function bytesOf(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new CertmillError('INVALID_INPUT', `cannot read ${file}`, { cause });
  }
}
