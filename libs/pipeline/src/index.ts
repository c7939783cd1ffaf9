export {
  compileProfile,
  type CompiledProfile,
  type ProfileIssuer,
  type TbsInput,
} from './profile/compile-profile.js';
export {
  applyAllowList,
  draftVerdict,
  type DecidedRequests,
} from './validate/decide-values.js';
export {
  examineChunk,
  type ExaminationLimits,
  type ExaminationOptions,
} from './validate/examine-chunk.js';
export { Blocklist, readBlocklist, type BlocklistTable } from './validate/weak-keys/blocklist.js';
