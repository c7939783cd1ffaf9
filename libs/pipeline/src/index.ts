export {
  compileProfile,
  type CompiledProfile,
  type ProfileIssuer,
  type TbsInput,
} from './profile/compile-profile.js';
