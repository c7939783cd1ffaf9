// What reads profiles as people write them, YAML and schema. Workers and stages know canonical profiles
// only and are spared the libraries behind this.
export {
  authorityProfileNames,
  authorityProfiles,
  builtInProfileNames,
  builtInProfiles,
  builtInProfileText,
  builtInProfileVersions,
  type AuthorityProfileName,
  type BuiltInProfileName,
} from './profile/built-in-profiles.js';
export { parseProfile } from './profile/parse-profile.js';
export { extKeyPurposes, profileFileJsonSchema } from './profile/profile-file.js';
