import { fork } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { describeMachine, type Machine } from '../machine.js';
import type { CrlFigures } from './crl-part.js';
import type { MlDsaFigures } from './ml-dsa-part.js';
import type { OcspFigures } from './ocsp-part.js';
import type { PartOptions } from './part.js';
import type { ShardFigures } from './shards-part.js';

export interface AuthorityBenchOptions extends Omit<PartOptions, 'directory'> {
  /** A folder of the disk that is to be measured; what is made there is removed. */
  readonly data: string;
  readonly onStep: (step: string) => void;
}

/** What `certmill bench authority --json` prints. */
export interface AuthorityBenchReport {
  readonly crl: CrlFigures;
  readonly ocsp: OcspFigures;
  readonly mlDsa: MlDsaFigures;
  readonly shards: ShardFigures;
  readonly machine: Machine;
}

/**
 * One part after the other, each in a process of its own: peaks of memory are its own, and what one has
 * compiled does not help the next.
 */
export async function runAuthorityBench(
  options: AuthorityBenchOptions,
): Promise<AuthorityBenchReport> {
  const { data, onStep, ...rest } = options;
  const machine = describeMachine();
  const parent = join(data, 'bench');
  await mkdir(parent, { recursive: true });
  const part = async <Figures>(name: string, step: string): Promise<Figures> => {
    onStep(step);
    const directory = await mkdtemp(join(parent, `${name}-`));
    try {
      return await runPart<Figures>(name, { ...rest, directory });
    } finally {
      await rm(directory, { recursive: true });
    }
  };
  return {
    crl: await part<CrlFigures>('crl', 'making CRLs from the store to the signed file'),
    ocsp: await part<OcspFigures>('ocsp', 'asking for pre-signed OCSP responses over HTTP'),
    mlDsa: await part<MlDsaFigures>('ml-dsa', "signing ML-DSA-44, beside OpenSSL's own rate"),
    shards: await part<ShardFigures>('shards', 'issuing with CRL shards and without'),
    machine,
  };
}

async function runPart<Figures>(name: string, options: PartOptions): Promise<Figures> {
  const child = fork(new URL(`./${name}-part.js`, import.meta.url), [JSON.stringify(options)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  let figures: Figures | undefined;
  child.on('message', (message) => {
    figures = message as Figures;
  });
  await new Promise((resolve) => child.once('close', resolve));
  if (figures === undefined) {
    throw new CertmillError('FAULT_PROCESSING', `the ${name} part of the bench ended early`);
  }
  return figures;
}
