import { CertmillError, crlCountOf, crlUriOf, isCertmillError } from '@certmill/domain';
import type { CrlScope } from '@certmill/ports';
import { openCrls, type OpenedCrls } from '@certmill/standalone/folder';
import {
  crlPointsOf,
  type ImportedCrl,
  ImportedCrlFolder,
  inspectDer,
  isKeyLost,
  type Issuer,
  keySha256Of,
  loadAuthorities,
  lostKeyOf,
  ownRevocationOf,
  publishedCas,
  type RecordedRevocation,
} from '@certmill/trust';

export interface NamedCrl {
  /** For people. */
  readonly name: string;
  readonly der: Uint8Array;
}

/** What the CAs of a data folder lend to a verification. */
export interface FolderAuthorities {
  readonly anchors: readonly { readonly der: Uint8Array }[];
  readonly intermediates: readonly { readonly der: Uint8Array }[];
  /** Of CA certificates: those that were made here, and those that were taken in. */
  readonly crls: readonly NamedCrl[];
  readonly records: readonly NamedRecord[];
}

type NamedRecord = RecordedRevocation & { readonly ca: string };

/** What the store of a data folder says of certificates. */
export interface FolderStatuses {
  readonly crls: readonly NamedCrl[];
  /** Of those that are revoked or on hold, before a CRL says so too. */
  readonly records: readonly NamedRecord[];
  /** The certificates that a CRL is about. */
  readonly covered: ReadonlySet<unknown>;
}

/** The ends of the chains of a data folder are its anchors. FAULT_STORE_CORRUPT where a CRL is none. */
export async function folderAuthorities(data: string): Promise<FolderAuthorities> {
  const cas = await loadAuthorities(data);
  const chains = cas.map(({ chainDer }) => chainDer.map((der) => ({ der })));
  const imported = new ImportedCrlFolder(data).all();
  const published = publishedCas(data);
  const crls: NamedCrl[] = [];
  for (const name of new Set([...cas, ...imported.map(({ ca }) => ({ name: ca }))].map(nameOf))) {
    const der = await published.caCrlOf(name);
    if (der === undefined) continue;
    if (inspectDer(der)?.kind !== 'crl') {
      throw new CertmillError('FAULT_STORE_CORRUPT', `the CRL of CA ${name} cannot be read`);
    }
    crls.push({ name: `of CA ${name}`, der });
  }
  return {
    anchors: chains.flatMap((chain) => chain.slice(-1)),
    intermediates: chains.flatMap((chain) => chain.slice(0, -1)),
    crls,
    records: [
      ...cas.flatMap(recordsOfCa),
      ...imported.flatMap((crl) => recordsOfCrl(crl, cas)),
    ].map((record) => ofNowAtLatest(record)),
  };
}

/** What is on record is so now, whatever the clock said that it was recorded by. */
function ofNowAtLatest(record: NamedRecord): NamedRecord {
  return { ...record, revokedAtMs: Math.min(record.revokedAtMs, Date.now()) };
}

function recordsOfCa(ca: Issuer): readonly NamedRecord[] {
  return ca.revokedCas.map((entry) => {
    const { serialNumberHex, reason, revokedAtMs } = entry;
    return {
      ...{ ca: ca.name, issuerNameDer: ca.subjectDer, issuerSpkiDer: ca.spkiDer },
      ...{ serialNumberHex, reason, revokedAtMs, ...lostKey(lostKeyOf(entry, ca)) },
    };
  });
}

function lostKey(lostKeySha256: string | undefined): Pick<RecordedRevocation, 'lostKeySha256'> {
  return lostKeySha256 === undefined ? {} : { lostKeySha256 };
}

/** What a CRL that was taken in revokes for good stays revoked after its nextUpdate, as for the CAs here. */
function recordsOfCrl(
  { ca, signer, revoked }: ImportedCrl,
  cas: readonly Issuer[],
): readonly NamedRecord[] {
  // A CRL has no keys: those of the CAs here which it revokes are known.
  const lost = new Map(
    cas.flatMap((one) => {
      const own = ownRevocationOf(one);
      const isLost = own !== undefined && isKeyLost(own);
      return isLost ? [[own.serialNumberHex, keySha256Of(one.spkiDer)] as const] : [];
    }),
  );
  const issuer = {
    ...{ ca, issuerNameDer: signer.certificate.subject.der },
    issuerSpkiDer: signer.subjectPKInfoDer,
  };
  return [...revoked]
    .filter(([, { reason }]) => reason !== 'certificateHold')
    .map(([serialNumberHex, { reason, revokedAtMs }]) => ({
      ...{ ...issuer, serialNumberHex, reason, revokedAtMs },
      ...lostKey(lost.get(serialNumberHex)),
    }));
}

/**
 * The CRLs in force that the store of a data folder has of the scopes which the certificates are in, full
 * and delta, and what it has recorded of them. Nothing where there is no store.
 */
export async function folderStatuses(
  data: string,
  certificates: readonly Uint8Array[],
): Promise<FolderStatuses> {
  await using opened = await openIfThere(data);
  const crls = new Map<string, readonly NamedCrl[]>();
  const records: NamedRecord[] = [];
  const covered = new Set<Uint8Array>();
  for (const der of opened === undefined ? [] : certificates) {
    for (const about of scopesAbout(der, opened?.issuers ?? [])) {
      const record = opened && (await recordOf(opened.crls, about));
      if (record !== undefined) records.push(record);
      const { scope, isInCrl } = about;
      if (!isInCrl) continue;
      const name = `of ${scope.issuer}, shard ${String(scope.shard)}`;
      const found = crls.get(name) ?? (opened && (await crlsOf(opened.crls, scope, name))) ?? [];
      crls.set(name, found);
      if (found.length > 0) covered.add(der);
    }
  }
  return {
    crls: [...crls.values()].flat(),
    records: records.map((record) => ofNowAtLatest(record)),
    covered,
  };
}

async function recordOf(
  store: OpenedCrls['crls'],
  { scope, issuer, serialNumber }: ScopeAbout,
): Promise<NamedRecord | undefined> {
  const status = await store.recordedStatus(scope, serialNumber);
  if (status?.state !== 'revoked') return undefined;
  return {
    ca: issuer.name,
    issuerNameDer: issuer.subjectDer,
    issuerSpkiDer: issuer.spkiDer,
    serialNumberHex: Buffer.from(serialNumber).toString('hex'),
    reason: status.reason,
    revokedAtMs: status.atMs,
  };
}

async function crlsOf(
  store: OpenedCrls['crls'],
  scope: CrlScope,
  name: string,
): Promise<readonly NamedCrl[]> {
  const full = await store.getCrl(scope, 'full');
  const delta = await store.getCrl(scope, 'delta');
  return [
    ...(full === undefined ? [] : [{ name, der: full.der }]),
    ...(delta === undefined ? [] : [{ name: `${name} (delta)`, der: delta.der }]),
  ];
}

interface ScopeAbout {
  readonly scope: CrlScope;
  readonly issuer: Issuer;
  readonly serialNumber: Uint8Array;
  /** Whether the CRL of the scope is about the certificate. */
  readonly isInCrl: boolean;
}

/**
 * By the addresses in the certificate; of an issuer without addresses there is one CRL. Of one that got them later no
 * CRL is about what has none, and what is recorded of that is in any shard.
 */
function scopesAbout(der: Uint8Array, issuers: readonly Issuer[]): readonly ScopeAbout[] {
  const points = crlPointsOf(der);
  if (points === undefined) return [];
  const { issuerNameDer, serialNumber, uris } = points;
  return issuers
    .filter(({ subjectDer }) => Buffer.compare(subjectDer, issuerNameDer) === 0)
    .flatMap((issuer) =>
      shardsOf(issuer, uris).map((shard) => {
        const isInCrl = issuer.status === undefined || uris.length > 0;
        return { scope: { issuer: issuer.name, shard }, issuer, serialNumber, isInCrl };
      }),
    );
}

function shardsOf({ name, status }: Issuer, uris: readonly string[]): readonly number[] {
  if (status === undefined) return [0];
  return Array.from({ length: crlCountOf(status) }, (_, shard) => shard).filter(
    (shard) => uris.length === 0 || uris.includes(crlUriOf(status, name, shard)),
  );
}

async function openIfThere(data: string): Promise<OpenedCrls | undefined> {
  try {
    return await openCrls(data);
  } catch (error) {
    if (isCertmillError(error) && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}

function nameOf({ name }: { readonly name: string }): string {
  return name;
}
