import { workerData } from 'node:worker_threads';
import { profileOfCanonical, type Profile } from '@certmill/domain';
import { decodeReceivedChunk } from '@certmill/events';
import { Blocklist, examineChunk } from '@certmill/pipeline/compute';
import { BoundedCache } from '../worker-pool/bounded-cache.js';
import { packedReply } from '../worker-pool/packed-reply.js';
import { workerFaultOf } from '../worker-pool/worker-fault.js';
import { packExamination } from './examination-columns.js';
import type {
  ExaminationReply,
  ExaminationTask,
  ExaminationWorkerData,
} from './examination-messages.js';

const profiles = new BoundedCache<Profile>(64);
const { blocklist: table } = workerData as ExaminationWorkerData;
const options = table === undefined ? {} : { blocklist: new Blocklist(table) };

/** Answers once the worker has loaded everything, so that the first chunk does not wait for it. */
export function openExaminer(): 'ready' {
  return 'ready';
}

export function examine(task: ExaminationTask): ExaminationReply {
  try {
    const received = decodeReceivedChunk(new Uint8Array(task.received));
    const profile = profileOf(received.profileHash, task.profile);
    if (profile === undefined) {
      return { kind: 'profile-missing', profileHash: received.profileHash };
    }
    const columns = packExamination(examineChunk(received, profile, options));
    return packedReply({ kind: 'examined', columns }, [columns]);
  } catch (error) {
    return workerFaultOf(error, 'FAULT_PROCESSING', 'the chunk cannot be examined');
  }
}

function profileOf(profileHash: string, canonical: string | undefined): Profile | undefined {
  const cached = profiles.get(profileHash);
  if (cached !== undefined || canonical === undefined) return cached;
  const profile = profileOfCanonical(canonical, profileHash);
  profiles.set(profileHash, profile);
  return profile;
}
