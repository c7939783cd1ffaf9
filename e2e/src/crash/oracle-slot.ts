import { hash } from 'node:crypto';
import { fdatasyncSync, openSync, writeSync } from 'node:fs';
import type { Signer } from '@certmill/signing';
import { FailPoint, type ArmedFailPoint } from './fail-point.js';

/** What the module's URL carries into the worker threads. */
export interface OracleSettings {
  /** Grows by `<batch id>/<index> <SHA-256 of the TBSCertificate>` per signature. */
  readonly oracleFile: string;
  readonly reportFile: string;
  readonly armed: ArmedFailPoint | undefined;
}

/**
 * A slot module, and the oracle of the crash run: it is outside the product and remembers every
 * signature, durably and before it is made, so none can escape it.
 */
export function wrapSigner(signer: Signer): Signer {
  const text = new URL(import.meta.url).searchParams.get('settings') ?? '{}';
  const { oracleFile, reportFile, armed } = JSON.parse(text) as OracleSettings;
  const oracle = openSync(oracleFile, 'a');
  const point = new FailPoint(armed, reportFile);
  return {
    subjectPKInfoDer: signer.subjectPKInfoDer,
    sign(tbs, request) {
      const id = `${request.batchId}/${request.index}`;
      point.reachNow('signature:before', id);
      writeSync(oracle, `${id} ${hash('sha256', tbs)}\n`);
      fdatasyncSync(oracle);
      const signature = signer.sign(tbs, request);
      point.reachNow('signature:after', id);
      return signature;
    },
  };
}

/** The URL for `IssuanceOverrides.slotModule`. */
export function oracleSlotModule(settings: OracleSettings): string {
  const url = new URL(import.meta.url);
  url.searchParams.set('settings', JSON.stringify(settings));
  return url.href;
}
