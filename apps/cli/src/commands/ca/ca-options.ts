import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  CertmillError,
  durationSeconds,
  newCaKeyTypes,
  statusAddresses,
  type StatusAddresses,
} from '@certmill/domain';
import {
  assertKeyPlace,
  type AuthorityPlace,
  type AuthorityWish,
  type BoundOrder,
  type DistinguishedName,
  findKeySlot,
  type Issuer,
  constraintsOfTexts,
  parseBoundOrder,
  parseDistinguishedName,
  type PassphraseSource,
  readPassphrase,
} from '@certmill/trust';
import { pkcs11Modules, readSlotFile } from '../../ca-modules.js';
import { passphraseOf } from '../../hierarchy.js';
import type { Terminal } from '../../terminal/terminal.js';

/** @param preset what the command takes where the option is not given. */
export const keyOption = (preset: string): Option =>
  new Option('--key <type>', `key of the CA; default: ${preset}`).choices(newCaKeyTypes);

export interface StatusOptions {
  readonly statusUrl?: string;
  readonly crlShards?: string;
}

/** ADR 0020: they stand in every certificate, so they are given once. */
export function withStatusOptions(command: Command): Command {
  return command
    .option(
      '--status-url <uri>',
      'http address that stands in what the CA issues: where CRLs and OCSP will be',
    )
    .option('--crl-shards <n>', 'CRLs that its certificates are spread over; 0: one CRL of all');
}

export function statusOf({ statusUrl, crlShards }: StatusOptions): {
  readonly status?: StatusAddresses;
} {
  if (statusUrl !== undefined) {
    return { status: statusAddresses(statusUrl, crlShards === undefined ? 0 : Number(crlShards)) };
  }
  if (crlShards === undefined) return {};
  throw new CertmillError('INVALID_INPUT', '--crl-shards needs a --status-url');
}

export interface ConstraintOptions {
  readonly pathLength?: number;
  readonly permit: readonly string[];
  readonly exclude: readonly string[];
  readonly policy: readonly string[];
  readonly purpose: readonly string[];
}

export function withConstraintOptions(command: Command, pathLength: string): Command {
  return command
    .option('--path-length <n>', pathLength, count)
    .option('--permit <name>', 'names that certificates below may have', collected, [])
    .option('--exclude <name>', 'names that they may not have, e.g. dns:example.com', collected, [])
    .option('--policy <oid>', 'certificate policy', collected, [])
    .option('--purpose <oid>', 'extended key usage of what is below', collected, []);
}

export function constraintsOf(
  options: ConstraintOptions,
): Pick<AuthorityWish, 'pathLenConstraint' | 'nameConstraints' | 'policies' | 'extKeyUsage'> {
  const { pathLength, permit, exclude, policy, purpose } = options;
  return {
    ...(pathLength === undefined ? {} : { pathLenConstraint: pathLength }),
    ...constraintsOfTexts({ permit, exclude, policies: policy, purposes: purpose }),
  };
}

export interface SubjectOptions {
  readonly subject?: string;
}

/** @param preset what the command takes where the option is not given, where that needs words. */
export function withSubjectOption(command: Command, preset?: string): Command {
  const rest = preset === undefined ? '' : `; default: ${preset}`;
  return command.option('--subject <dn>', `subject, e.g. 'C=DE,O=Example,CN=Example root'${rest}`);
}

export function subjectOf({ subject }: SubjectOptions, commonName: string): DistinguishedName {
  return subject === undefined
    ? [{ type: 'commonName', value: commonName }]
    : parseDistinguishedName(subject);
}

export interface ParentOptions {
  readonly parentData?: string;
  readonly parentPassphraseFile?: string;
}

export function withParentOptions(command: Command): Command {
  return command
    .option('--parent-data <dir>', 'data folder with the key of the CA above: an offline root')
    .option(
      '--parent-passphrase-file <file>',
      'passphrase of that key; default: that of its folder',
    );
}

/** The CA above, in its own folder where that is given. */
export async function placeOf(
  terminal: Terminal,
  name: string,
  data: string,
  options: ParentOptions,
): Promise<AuthorityPlace> {
  const directory = options.parentData ?? data;
  const { parentPassphraseFile: file } = options;
  const passphrase = file === undefined ? undefined : { file };
  return { directory, name, ...(await keyAccessOf(terminal, directory, name, passphrase)) };
}

/**
 * What opens the key of a CA, or of one that has been asked for. Where it is in a module there is a PIN
 * and no passphrase: none is made up.
 */
export async function keyAccessOf(
  terminal: Terminal,
  directory: string,
  name: string,
  source?: PassphraseSource,
): Promise<Pick<AuthorityPlace, 'passphrase' | 'modules'>> {
  if ((await findKeySlot(directory, name)) !== undefined) {
    return { passphrase: '', modules: pkcs11Modules };
  }
  const passphrase =
    source === undefined
      ? await passphraseOf(terminal, directory)
      : await readPassphrase(source, terminal.env);
  return { passphrase };
}

export interface SlotOption {
  readonly slot?: string;
}

export function withSlotOption(command: Command): Command {
  return command.option(
    '--slot <file>',
    'YAML with module, token, keyLabel and pinFile: the PKCS#11 token that makes the key and keeps it',
  );
}

/** The same of a new key for a CA that is there. INVALID_INPUT as `assertKeyPlace`, before a passphrase is made up. */
export async function newKeyPlaceOf(
  terminal: Terminal,
  data: string,
  options: SlotOption,
  before: Issuer,
): Promise<Pick<AuthorityWish, 'passphrase' | 'slot' | 'modules'>> {
  assertKeyPlace(before, options.slot !== undefined);
  return keyPlaceOf(terminal, data, options);
}

/** Where the key of a new CA is made, and what encrypts it where that is a file. */
export async function keyPlaceOf(
  terminal: Terminal,
  data: string,
  { slot }: SlotOption,
): Promise<Pick<AuthorityWish, 'passphrase' | 'slot' | 'modules'>> {
  return slot === undefined
    ? { passphrase: await passphraseOf(terminal, data) }
    : { passphrase: '', slot: await readSlotFile(slot), modules: pkcs11Modules };
}

export interface LifetimeOptions {
  readonly lifetime?: string;
}

/** @param preset what the command takes where the option is not given. */
export function withLifetimeOption(command: Command, preset = 'as long as the CA above'): Command {
  return command.option('--lifetime <time>', `e.g. 10y or 90d; default: ${preset}`);
}

/** The preset of a CA that has one already. */
export const firstLifetime = 'as it was made for at first, at most to the end of the CA above';

export function lifetimeOf({ lifetime }: LifetimeOptions): { readonly lifetimeSeconds?: number } {
  return lifetime === undefined ? {} : { lifetimeSeconds: secondsOf(lifetime) };
}

/** Seconds of `90d`, `12h`, `10y`; INVALID_INPUT. */
export function secondsOf(text: string): number {
  const seconds = durationSeconds(text);
  if (Number.isSafeInteger(seconds) && seconds > 0) return seconds;
  throw new CertmillError('INVALID_INPUT', `'${text.slice(0, 40)}' is no time such as 90d or 10y`);
}

export interface OrderOption {
  readonly forOrder?: string;
}

export function withOrderOption(command: Command): Command {
  return command.option(
    '--for-order <tenant/order>',
    'the CA serves this order and nothing else: revoking it ends exactly that',
  );
}

export function orderOf({ forOrder }: OrderOption): { readonly order?: BoundOrder } {
  return forOrder === undefined ? {} : { order: parseBoundOrder(forOrder) };
}

/** An option that is given again for each of several. */
export function collected(value: string, previous: readonly string[]): readonly string[] {
  return [...previous, value];
}

export function count(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It is no whole number.');
}
