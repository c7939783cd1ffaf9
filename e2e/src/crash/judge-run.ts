import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createCertificateWalk, pemEncode, walkCertificate } from '@certmill/der';
import type { Batch } from '@certmill/domain';
import { resultsOf, serialNumberHexOf, type Result } from '@certmill/pipeline';
import { operatorTenant } from '@certmill/platform';
import type { VerifiedPorts, VerifiedStore } from '@certmill/trust';
import type { BatchAnswer, FactoryClient } from './factory-client.js';
import type { Fleet, FleetBatch, FleetRequest } from './fleet.js';

/** The evidence of a run that is over. */
export interface Evidence {
  readonly store: VerifiedPorts;
  /** The product's own word on the store. */
  readonly verify: () => Promise<VerifiedStore>;
  readonly oracleFile: string;
  readonly fleet: Fleet;
  readonly client: FactoryClient;
  /** The server's last word on each batch, by Idempotency-Key. */
  readonly answers: ReadonlyMap<string, BatchAnswer>;
}

export interface Verdict {
  readonly name: string;
  /** What is wrong, the first few; empty: passed. */
  readonly findings: readonly string[];
}

export interface Judgement {
  readonly verdicts: readonly Verdict[];
  readonly issued: number;
  /** Requests without a certificate, by rejection code. */
  readonly rejected: ReadonlyMap<string, number>;
  readonly signatures: number;
}

/** What the store holds of one request. */
interface StoredResult {
  readonly id: string;
  readonly request: FleetRequest;
  readonly batch: FleetBatch;
  readonly result: Result;
}

const maxFindings = 5;

/** Compares the store with the oracle, with what the client was told and what was asked for. */
export async function judgeRun(evidence: Evidence): Promise<Judgement> {
  const { store, oracleFile, fleet, client, answers } = evidence;
  const found = new Findings();
  const signatures = readOracle(oracleFile, found);
  const results: StoredResult[] = [];
  const issuedUnder = new Map<string, number>();
  for (const batch of client.batches) {
    const batchId = client.batchIdOf(batch.key) ?? '';
    const stored = await store.getBatch(operatorTenant, batchId);
    if (stored === undefined) {
      found.add('acknowledged', `batch ${batch.key} is not stored`);
      continue;
    }
    const ended = await endedRequests(store, batch, stored, found);
    results.push(...ended);
    judgeCounters(batch, stored, answers.get(batch.key), ended, found);
    judgeAcknowledged(batch, stored, client.acknowledged.get(batch.key), found);
    const issued = (issuedUnder.get(batch.orderId) ?? 0) + stored.counters.issued;
    issuedUnder.set(batch.orderId, issued);
  }
  for (const { orderId, quota } of fleet.orders) {
    const issued = issuedUnder.get(orderId) ?? 0;
    const reserved = await store.reservedUnder(operatorTenant, orderId);
    if (issued > reserved || reserved > quota) {
      found.add('quota', `order ${orderId}: ${issued} issued, ${reserved} reserved, of ${quota}`);
    }
  }
  judgeCertificates(results, signatures, client, found);
  judgeExpected(fleet, results, found);
  const verified = await evidence.verify();
  for (const finding of verified.findings) found.add('verify-store', finding);
  return {
    verdicts: found.verdicts,
    issued: results.filter(({ result }) => result.certificateDer !== undefined).length,
    rejected: countByCode(results),
    signatures: signatures.size,
  };
}

function countByCode(results: readonly StoredResult[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { result } of results) {
    const code = result.rejection?.code;
    if (code !== undefined) counts.set(code, (counts.get(code) ?? 0) + 1);
  }
  return counts;
}

const verdictNames = {
  tbs: 'each request was signed with one TBSCertificate only',
  downloads: 'every downloaded certificate is the stored one, byte for byte',
  acknowledged: 'nothing that was acknowledged is lost',
  expected: 'exactly the requests expected have a certificate, the others their code',
  quota: 'no quota is exceeded',
  conservation: 'accepted = issued + rejected + cancelled + dead-lettered, nothing in flight',
  serials: 'serial numbers are unique',
  devices: 'no device has two live certificates',
  'verify-store': 'verify-store finds nothing',
} as const;

type VerdictName = keyof typeof verdictNames;

class Findings {
  readonly #counts = new Map<VerdictName, number>();
  readonly #texts = new Map<VerdictName, string[]>();

  add(name: VerdictName, text: string): void {
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, count);
    const texts = this.#texts.get(name) ?? [];
    if (count <= maxFindings) this.#texts.set(name, [...texts, text]);
    if (count === maxFindings + 1) texts.push('... and more');
  }

  get verdicts(): readonly Verdict[] {
    return Object.entries(verdictNames).map(([key, name]) => ({
      name,
      findings: this.#texts.get(key as VerdictName) ?? [],
    }));
  }
}

/** TBS hash by request id; a request with two of them is a finding. */
function readOracle(file: string, found: Findings): ReadonlyMap<string, string> {
  const hashes = new Map<string, string>();
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    // A line that the kill cut off was never signed: it is written whole before the signature.
    const [id = '', tbsHash = ''] = line.split(' ');
    if (tbsHash.length !== 64) continue;
    const before = hashes.get(id);
    if (before !== undefined && before !== tbsHash) found.add('tbs', `${id} was signed as two TBS`);
    hashes.set(id, tbsHash);
  }
  return hashes;
}

async function endedRequests(
  store: VerifiedPorts,
  batch: FleetBatch,
  stored: Batch,
  found: Findings,
): Promise<readonly StoredResult[]> {
  const { tenant, batchId } = stored;
  const ended: StoredResult[] = [];
  for (let chunkNumber = 0; ended.length < stored.nextIndex; chunkNumber++) {
    const segment = await store.getSegment({ tenant, batchId, chunkNumber });
    if (segment === undefined) {
      found.add('acknowledged', `batch ${batch.key}: chunk ${chunkNumber} has no end`);
      return ended;
    }
    for (const result of resultsOf(segment)) {
      const request = batch.requests[result.index];
      if (request === undefined || result.index !== ended.length) {
        found.add('expected', `batch ${batch.key}: index ${result.index} is out of place`);
        return ended;
      }
      ended.push({ id: `${batchId}/${result.index}`, request, batch, result });
    }
  }
  return ended;
}

function judgeCounters(
  batch: FleetBatch,
  stored: Batch,
  answer: BatchAnswer | undefined,
  ended: readonly StoredResult[],
  found: Findings,
): void {
  const { accepted, issued, rejected, cancelled, deadLettered } = stored.counters;
  const text = `batch ${batch.key}: ${JSON.stringify(stored.counters)}`;
  if (accepted !== issued + rejected + cancelled + deadLettered) found.add('conservation', text);
  if (accepted !== stored.nextIndex || deadLettered !== 0) found.add('conservation', text);
  const withCertificate = ended.filter(({ result }) => result.certificateDer !== undefined).length;
  if (withCertificate !== issued || ended.length !== accepted) {
    found.add('conservation', `${text}, segments hold ${withCertificate} of ${ended.length}`);
  }
  if (answer?.counters.issued !== issued || answer.counters.inFlight !== 0) {
    found.add('conservation', `${text}, the server said ${JSON.stringify(answer?.counters)}`);
  }
}

function judgeAcknowledged(
  batch: FleetBatch,
  stored: Batch,
  acknowledged: BatchAnswer | undefined,
  found: Findings,
): void {
  if (acknowledged === undefined) {
    if (batch.cancelAt === undefined) found.add('acknowledged', `${batch.key} never got its 202`);
    return;
  }
  const total = batch.requests.length;
  if (acknowledged.total !== total || stored.nextIndex !== total || stored.total !== total) {
    found.add(
      'acknowledged',
      `batch ${batch.key}: ${total} were acknowledged, ${stored.nextIndex} are there`,
    );
  }
}

function judgeCertificates(
  results: readonly StoredResult[],
  signatures: ReadonlyMap<string, string>,
  client: FactoryClient,
  found: Findings,
): void {
  const serials = new Set<string>();
  const live = new Set<string>();
  const walk = createCertificateWalk();
  const unseen = new Set(client.certificates.keys());
  for (const contradiction of client.contradictions) found.add('downloads', contradiction);
  for (const { id, request, result } of results) {
    const der = result.certificateDer;
    if (der === undefined) continue;
    unseen.delete(id);
    if (client.certificates.get(id) !== pemEncode('CERTIFICATE', der)) {
      found.add('downloads', `${id} is stored as another certificate than was downloaded`);
    }
    const serial = serialNumberHexOf(der);
    if (serials.has(serial)) found.add('serials', `${serial} is there twice`);
    serials.add(serial);
    if (live.has(request.deviceId)) found.add('devices', `${request.deviceId} has two`);
    live.add(request.deviceId);
    walkCertificate(der, 0, der.length, walk);
    const tbsHash = hash('sha256', der.subarray(walk.tbsCertificateStart, walk.tbsCertificateEnd));
    if (signatures.get(id) !== tbsHash) {
      found.add('tbs', `${id}: the oracle saw another TBSCertificate, or none`);
    }
  }
  for (const id of unseen) found.add('downloads', `${id} was downloaded and is not stored`);
}

/** Whoever wins of requests for one device or for a scarce quota: as many win as may. */
function judgeExpected(fleet: Fleet, results: readonly StoredResult[], found: Findings): void {
  const winners = new Set<string>();
  const wanted = new Set<string>();
  for (const { id, request, result, batch } of results) {
    const { isBad, deviceId, mayEndAs } = request;
    if (result.certificateDer !== undefined) {
      winners.add(deviceId);
      if (isBad) found.add('expected', `${id} was to be rejected and has a certificate`);
      continue;
    }
    const code = result.rejection?.code;
    if (!isBad && batch.orderId !== 'tight' && batch.cancelAt === undefined) wanted.add(deviceId);
    const isAnyCode = isBad && mayEndAs.length === 0;
    if (!isAnyCode && (code === undefined || !mayEndAs.includes(code))) {
      found.add('expected', `${id} (${deviceId}) ended as ${code}`);
    }
  }
  for (const deviceId of wanted) {
    if (!winners.has(deviceId)) found.add('expected', `${deviceId} has no certificate`);
  }
  const tight = fleet.orders.find(({ orderId }) => orderId === 'tight');
  const issued = results.filter(
    ({ batch, result }) => batch.orderId === 'tight' && result.certificateDer !== undefined,
  );
  if (issued.length !== tight?.quota) {
    found.add('expected', `${issued.length} certificates under a quota of ${tight?.quota}`);
  }
}
