import { CertmillError, isCertmillError, type Order, type Profile } from '@certmill/domain';
import {
  decodeReceivedChunk,
  decodeReceivedHead,
  encodeValidatedChunk,
  encodeVerdict,
  type ReceivedHead,
  type Verdict,
} from '@certmill/events';
import type {
  AllowListStore,
  CertificateStore,
  Clock,
  DeliveredRecord,
  EventLog,
  OrderStore,
  RequestExaminer,
  VerdictStore,
} from '@certmill/ports';
import { assertSameChunk, type Hops } from '../hop-seal.js';
import type { ProfileCatalogue } from '../profile/profile-catalogue.js';
import { reissueSourceOf, type ReissueSource } from '../reissue-source.js';
import { applyAllowListInTurns, draftVerdict } from './decide-values.js';
import { rejectRevoked } from './revoked-predecessors.js';
import { verdictOfAll } from './verdict-of-all.js';
import type { VerdictSeals } from './verdict-seal.js';

const cancelledDetail = 'the batch was cancelled before this request was validated';

export interface ValidatePorts {
  readonly stores: Pick<OrderStore, 'getOrder'> &
    Pick<AllowListStore, 'lookUp'> &
    Pick<CertificateStore, 'chunkState' | 'listStatuses'> &
    VerdictStore;
  readonly profiles: ProfileCatalogue;
  readonly examiner: RequestExaminer;
  readonly log: EventLog;
  readonly hops: Pick<Hops, 'received' | 'validated'>;
  /** Where the store is another process's; within one process there is nobody else to write there. */
  readonly verdictSeals?: VerdictSeals;
  readonly clock: Clock;
}

/**
 * Decides a chunk, once: a replay finds the stored verdict and hands it on unchanged. The verdict,
 * its claims and its quota are durable before the chunk goes on to sign. In a fleet a stored one counts
 * only with the seal of validate, else FAULT_VERDICT_FORGED. One that was not durable when
 * its batch was cancelled or broken off goes nowhere.
 */
export async function validateChunk(
  ports: ValidatePorts,
  record: DeliveredRecord,
  traceparent?: string,
): Promise<void> {
  const { stores, log, hops } = ports;
  const attributes = hops.received.open(record);
  const { value } = record;
  const received = assertSameChunk(attributes, decodeReceivedHead(value));
  // At once: for the store it is one message.
  const [state, stored, order, profile] = await Promise.all([
    stores.chunkState(received),
    stores.getVerdict(received),
    stores.getOrder(received.tenant, received.orderId),
    ports.profiles.get(received.tenant, received.profileHash),
  ]);
  if (state === undefined) {
    // Registered before it was appended, always: this log belongs to another store, or to a later backup.
    throw new CertmillError('FAULT_PROCESSING', 'the chunk is not registered in this store');
  }
  if (state.ended) return;
  if (profile === undefined) {
    throw new CertmillError('FAULT_PROCESSING', 'the chunk names a profile that is not stored');
  }
  if (order === undefined) {
    throw new CertmillError('FAULT_PROCESSING', 'the chunk names an order that is not stored');
  }
  let verdict: Uint8Array;
  try {
    verdict = stored ?? (await decide(ports, order, profile, received, value, state.cancelled));
  } catch (error) {
    if (isCertmillError(error) && error.code === 'CONFLICT') return;
    throw error;
  }
  // Also of one just decided: another decider's may have been the first.
  ports.verdictSeals?.check(received, value, verdict);
  const validated = encodeValidatedChunk({ received: value, verdict });
  await log.append(...hops.validated.seal(received, validated, traceparent));
}

async function decide(
  ports: ValidatePorts,
  order: Order,
  profile: Profile,
  received: ReceivedHead,
  value: Uint8Array,
  cancelled: boolean,
): Promise<Uint8Array> {
  const { stores, clock, verdictSeals } = ports;
  const reissue = order.reissues === true ? reissueSourcesOf(value) : undefined;
  const draft = cancelled
    ? verdictOfAll(decodeReceivedChunk(value), 'BATCH_CANCELLED', cancelledDetail)
    : await judge(ports, order, profile, received, value, reissue);
  const encoded = encodeVerdict(draft);
  return stores.decide({
    chunk: received,
    orderId: received.orderId,
    profileName: profile.name,
    firstIndex: received.firstIndex,
    nowMs: clock.nowMs(),
    receivedAtMs: received.receivedAtMs,
    draft: verdictSeals?.seal(received, value, encoded) ?? encoded,
    codes: draft.codes,
    udids: draft.udids,
    deviceIds: draft.deviceIds,
    ...(reissue === undefined ? {} : { expectedHolders: reissue.map(({ holder }) => holder) }),
  });
}

/** Where the requests of a reissue come from. Fault: FAULT_EVENT_UNDECODABLE. */
function reissueSourcesOf(value: Uint8Array): ReissueSource[] {
  return decodeReceivedChunk(value).sources.map(reissueSourceOf);
}

/** Every check but claims and quota, which are the store's. */
async function judge(
  { stores, examiner }: ValidatePorts,
  order: Order,
  profile: Profile,
  received: ReceivedHead,
  value: Uint8Array,
  reissue: readonly ReissueSource[] | undefined,
): Promise<Verdict> {
  const examination = await examiner.examine(value, received.lane);
  const rows = order.requiresAllowList
    ? await stores.lookUp(
        order.tenant,
        order.orderId,
        examination.deviceIds.map((deviceId, i) => ({
          ...(deviceId === '' ? {} : { deviceId }),
          udid: examination.udids.subarray(i * 32, i * 32 + 32),
        })),
      )
    : undefined;
  const draft = draftVerdict(
    await applyAllowListInTurns(profile, examination, rows, received.heldIds),
  );
  if (reissue === undefined) return draft;
  // Last, so that little time passes until the store decides.
  const predecessors = reissue.map(({ predecessor }) => predecessor);
  return rejectRevoked(stores, order.tenant, predecessors, draft);
}
