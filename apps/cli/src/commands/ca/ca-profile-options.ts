import { type Command, Option } from 'commander';
import { CertmillError } from '@certmill/domain';
import {
  type AuthorityWish,
  type CaProfile,
  caOfProfile,
  type CaProfileName,
  caProfiles,
  type DistinguishedName,
  distinguishedNameDer,
  type IssuerKeyType,
} from '@certmill/trust';
import {
  type ConstraintOptions,
  constraintsOf,
  subjectOf,
  type SubjectOptions,
} from './ca-options.js';

export interface CaProfileOptions {
  readonly profile?: CaProfileName;
  readonly vendorId?: string;
  readonly productId?: string;
}

/** `--profile` with those of a root or of a CA below one, and what they need of the subject. */
export function withCaProfileOptions(command: Command, kind: 'root' | 'below'): Command {
  const names = Object.values(caProfiles)
    .filter(({ below }) => (below === undefined) === (kind === 'root'))
    .map(({ name }) => name);
  command
    .addOption(
      new Option(
        '--profile <name>',
        'standard that subject, key and certificate keep, checked before they are signed',
      ).choices(names),
    )
    .option('--vendor-id <hex>', 'with a Matter profile: vendor of the subject, e.g. FFF1');
  return kind === 'root'
    ? command
    : command.option('--product-id <hex>', 'the one product that a Matter PAI is for, e.g. 8000');
}

export function profileOf(options: CaProfileOptions): { readonly profile?: CaProfile } {
  return options.profile === undefined ? {} : { profile: caProfiles[options.profile] };
}

/** The ids of the subject. INVALID_INPUT where they are given without a profile. */
export function matterIdsOf(options: CaProfileOptions): DistinguishedName {
  const { profile, vendorId, productId } = options;
  const ids: DistinguishedName = [
    ...(vendorId === undefined ? [] : [{ type: 'matterVendorId' as const, value: vendorId }]),
    ...(productId === undefined ? [] : [{ type: 'matterProductId' as const, value: productId }]),
  ];
  if (ids.length === 0 || profile !== undefined) return ids;
  throw new CertmillError('INVALID_INPUT', '--vendor-id and --product-id need a --profile');
}

/** What `--key`, the subject, the constraints and the profile say of the CA that is to be made. */
export function certificateWishOf(
  options: { readonly key?: IssuerKeyType } & CaProfileOptions & SubjectOptions & ConstraintOptions,
  presets: {
    readonly key: IssuerKeyType;
    readonly commonName: string;
    readonly pathLenConstraint?: number;
  },
): Pick<
  AuthorityWish,
  | 'subjectDer'
  | 'keyType'
  | 'pathLenConstraint'
  | 'nameConstraints'
  | 'policies'
  | 'extKeyUsage'
  | 'profile'
> {
  const subject = [...subjectOf(options, presets.commonName), ...matterIdsOf(options)];
  const constraints = constraintsOf(options);
  const { profile } = profileOf(options);
  if (profile === undefined) {
    const { pathLenConstraint } = presets;
    return {
      subjectDer: distinguishedNameDer(subject),
      keyType: options.key ?? presets.key,
      ...(pathLenConstraint === undefined ? {} : { pathLenConstraint }),
      ...constraints,
    };
  }
  const [keyType = presets.key] = profile.keyTypes;
  const { pathLenConstraint } = constraints;
  return {
    ...constraints,
    ...caOfProfile(profile, { subject, keyType: options.key ?? keyType, pathLenConstraint }),
  };
}
