import {
  finishCertificate,
  RevokedEntries,
  signatureAlgorithmDer,
  signatureRoom,
  writeTbsCertList,
} from '@certmill/der';
import {
  CertmillError,
  crlReasons,
  crlUriOf,
  deltaCrlUriOf,
  serialNumberBytes,
} from '@certmill/domain';
import type { CrlToSign } from '@certmill/ports';
import type { KeyTaskContext, KeyTaskOutput } from './run-key-task.js';
import type { SlotSession } from './slot-session.js';

/**
 * Worker side: builds the TBSCertList of a scope from its rows and signs it. Names, addresses and key
 * identifiers are those of this process's own issuer: a task says what is revoked and when, and
 * nothing else (ADR 0020). Faults: FAULT_PROCESSING for what is no CRL of the issuer.
 */
export function issueCrl({ session }: KeyTaskContext, crl: CrlToSign): KeyTaskOutput<'signCrl'> {
  const entries = checkedEntries(session, crl);
  const { issuer, scheme, status } = session;
  const algorithmDer = signatureAlgorithmDer(scheme.algorithm);
  const { scope, baseCrlNumber, hasDeltas } = crl;
  const hasShards = status !== undefined && status.crlShards > 0;
  const { out, start, end } = writeTbsCertList(
    {
      signatureAlgorithm: algorithmDer,
      issuerNameDer: issuer.subjectDer,
      thisUpdateSeconds: Math.floor(crl.thisUpdateMs / 1_000),
      nextUpdateSeconds: Math.floor(crl.nextUpdateMs / 1_000),
      entries,
      extensions: {
        authorityKeyIdentifier: issuer.keyIdentifier,
        crlNumber: crl.crlNumber,
        ...(baseCrlNumber === undefined ? {} : { baseCrlNumber }),
        ...(hasShards
          ? {
              issuingDistributionPoint: {
                fullName: crlUriOf(status, scope.issuer, scope.shard),
                onlyContains: 'userCerts' as const,
              },
            }
          : {}),
        ...(hasDeltas && baseCrlNumber === undefined && status !== undefined
          ? { freshestCrl: deltaCrlUriOf(status, scope.issuer, scope.shard) }
          : {}),
      },
    },
    signatureRoom(algorithmDer, scheme.maxSignatureBytes),
  );
  const tbs = out.subarray(start, end);
  // The scope stands for a batch in what slot modules are told.
  const signature = session.sign(tbs, { batchId: '', index: scope.shard });
  session.verify(tbs, signature);
  const range = finishCertificate(out, start, end, algorithmDer, signature);
  const der = out.subarray(range.start, range.end) as Uint8Array<ArrayBuffer>;
  return { result: { der }, buffers: [der.buffer] };
}

/** What sign holds against a CRL, whoever asks for it (DESIGN 3.6). */
function checkedEntries(session: SlotSession, crl: CrlToSign): RevokedEntries {
  const { issuer, issuerName, status } = session;
  const { scope, thisUpdateMs, crlNumber, baseCrlNumber } = crl;
  const shards = Math.max(1, status?.crlShards ?? 0);
  const entries = entriesOf(crl.entries);
  const reason =
    scope.issuer !== issuerName
      ? `came to issuer ${issuerName}`
      : !Number.isInteger(scope.shard) || scope.shard < 0 || scope.shard >= shards
        ? `has none of the issuer's ${String(shards)} shards`
        : !issuer.signsCrls
          ? 'is of an issuer that must not sign CRLs: its keyUsage lacks cRLSign (RFC 5280 4.2.1.3)'
          : thisUpdateMs < issuer.notBeforeSeconds * 1_000 ||
              thisUpdateMs > issuer.notAfterSeconds * 1_000
            ? "begins outside its issuer's life"
            : baseCrlNumber !== undefined && baseCrlNumber >= crlNumber
              ? 'is a delta of a later one'
              : entries === undefined
                ? 'has rows that are no entries'
                : rowsDefect(entries, thisUpdateMs, baseCrlNumber !== undefined);
  if (reason === undefined && entries !== undefined) return entries;
  throw new CertmillError(
    'FAULT_PROCESSING',
    `a CRL of issuer ${scope.issuer}, shard ${String(scope.shard)}, ${String(reason)}`,
  );
}

function entriesOf(bytes: Uint8Array): RevokedEntries | undefined {
  try {
    return RevokedEntries.of(bytes);
  } catch {
    return undefined;
  }
}

function rowsDefect(
  entries: RevokedEntries,
  thisUpdateMs: number,
  isDelta: boolean,
): string | undefined {
  if (!entries.isAscending()) return 'has a certificate twice, or out of order';
  const thisUpdateSeconds = Math.floor(thisUpdateMs / 1_000);
  for (let index = 0; index < entries.length; index += 1) {
    if (entries.serialOctets(index) !== serialNumberBytes) return 'has a serial number of others';
    if (entries.revocationSeconds(index) > thisUpdateSeconds) {
      return 'has a revocation that is to come';
    }
    if (!isDelta && entries.reason(index) === crlReasons.removeFromCRL) {
      return 'has removeFromCRL and is no delta (RFC 5280 5.3.1)';
    }
  }
  return undefined;
}
