import { readFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { CertmillError } from '@certmill/domain';
import { readServeConfig, takeDataFolder } from '@certmill/standalone';
import {
  boundToTenants,
  createHierarchy,
  importIssuer,
  lifeLeftMs,
  loadIssuers,
  loadRoot,
  readPassphrase,
  type Issuer,
  type IssuerKeyType,
  type ServingIssuer,
} from '@certmill/trust';
import { passphraseOf } from '../hierarchy.js';
import { withExamples } from '../terminal/program.js';
import { tableLines } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';
import { delegateCommand } from './ca-delegate.js';
import { dataOption } from './data-option.js';

const keyTypes: readonly IssuerKeyType[] = [
  'ec-p256',
  'ec-p384',
  'ec-p521',
  'rsa-3072',
  'rsa-4096',
  'ed25519',
  'ml-dsa-44',
  'ml-dsa-65',
  'ml-dsa-87',
];

export function caCommand(terminal: Terminal): Command {
  return new Command('ca')
    .description('certification authorities of a data folder')
    .addCommand(initCommand(terminal))
    .addCommand(importCommand(terminal))
    .addCommand(delegateCommand(terminal))
    .addCommand(showCommand(terminal));
}

function initCommand(terminal: Terminal): Command {
  const command = new Command('init')
    .description('make a root (first time) and an issuing CA under it')
    .argument('[name]', 'name of the issuing CA', 'issuing')
    .addOption(dataOption())
    .option('--organization <name>', 'organizationName of the subjects')
    .addOption(
      new Option('--key <type>', 'key of the issuing CA').choices(keyTypes).default('ec-p256'),
    )
    .addOption(
      new Option(
        '--root-key <type>',
        'key of the root, where it is made; default: ec-p384',
      ).choices(keyTypes),
    )
    .option('--json', 'print one JSON object')
    .action(
      async (
        name: string,
        options: {
          data: string;
          organization?: string;
          key: IssuerKeyType;
          rootKey?: IssuerKeyType;
        },
      ) => {
        using folder = heldFolder(options.data);
        const issuer = await createHierarchy({
          name,
          directory: folder.directory,
          passphrase: await passphraseOf(terminal, folder.directory),
          keyType: options.key,
          ...(options.rootKey === undefined ? {} : { rootKeyType: options.rootKey }),
          ...(options.organization === undefined ? {} : { organization: options.organization }),
          nowMs: Date.now(),
        });
        terminal.report(issuerView(issuer), [`made issuing CA ${name}: ${issuer.chainFile}`]);
      },
    );
  return withExamples(command, [
    ['certmill ca init', 'a root and the CA "issuing" in ./certmill-data/ca'],
    [
      'CERTMILL_CA_PASSPHRASE_FILE=/run/secrets/ca certmill ca init factory-a',
      'a further issuing CA',
    ],
    ['certmill ca init pq --key ml-dsa-65 --root-key ml-dsa-87', 'post-quantum signatures'],
  ]);
}

function importCommand(terminal: Terminal): Command {
  const command = new Command('import')
    .description('take in an issuing key (encrypted PKCS#8) with its chain')
    .argument('<name>', 'name of the issuing CA')
    .requiredOption('--key <file>', 'private key, encrypted PKCS#8 in PEM')
    .requiredOption('--chain <file>', 'certificates in PEM, the issuing CA first, the root last')
    .option(
      '--key-passphrase-file <file>',
      'passphrase of the key file; default: that of this data folder',
    )
    .addOption(dataOption())
    .option('--json', 'print one JSON object')
    .action(
      async (
        name: string,
        options: { data: string; key: string; chain: string; keyPassphraseFile?: string },
      ) => {
        using folder = heldFolder(options.data);
        const passphrase = await passphraseOf(terminal, folder.directory);
        const keyPassphrase =
          options.keyPassphraseFile === undefined
            ? passphrase
            : await readPassphrase({ file: options.keyPassphraseFile }, terminal.env);
        const issuer = await importIssuer({
          name,
          directory: folder.directory,
          keyPem: await readText(options.key),
          chainPem: await readText(options.chain),
          keyPassphrase,
          passphrase,
          nowMs: Date.now(),
        });
        terminal.report(issuerView(issuer), [`took in issuing CA ${name}: ${issuer.subject}`]);
      },
    );
  return withExamples(command, [
    [
      'certmill ca import factory-b --key ca-key.pem --chain ca-chain.pem',
      'key and chain made elsewhere',
    ],
  ]);
}

function showCommand(terminal: Terminal): Command {
  const command = new Command('show')
    .description('show the CAs of the data folder')
    .addOption(dataOption())
    .option('--config <file>', 'configuration of the server: shows the tenants of each issuer')
    .option('--json', 'print one JSON object')
    .action(async (options: { data: string; config?: string }) => {
      const root = await loadRoot(options.data);
      const { issuers: configured } = readServeConfig(options.config);
      const issuers = boundToTenants(await loadIssuers(options.data), configured, options.data);
      const all: ServingIssuer[] = [...(root === undefined ? [] : [root]), ...issuers];
      const tenantsOf = (ca: ServingIssuer): string =>
        ca === root ? '-' : (ca.tenants?.join(' ') ?? 'all');
      const told = options.config !== undefined;
      const rows = all.map((ca) => [
        ca.name,
        ca.keyType,
        lifeOf(ca),
        ...(told ? [tenantsOf(ca)] : []),
        ca.subject,
      ]);
      const head = ['name', 'key', 'valid until', ...(told ? ['tenants'] : []), 'subject'];
      terminal.report(
        {
          authorities: all.map((ca) => ({
            ...issuerView(ca),
            ...(told && ca !== root ? { tenants: ca.tenants ?? 'all' } : {}),
          })),
        },
        all.length === 0 ? ['no CA yet: certmill ca init'] : tableLines(head, rows),
      );
    });
  return withExamples(command, [
    ['certmill ca show --json', 'for a script'],
    ['certmill ca show --config certmill.yaml', 'which tenants each issuer serves'],
  ]);
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new CertmillError('INVALID_INPUT', `cannot read ${file}`, { cause });
  }
}

function heldFolder(directory: string): { readonly directory: string } & Disposable {
  const folder = takeDataFolder(directory);
  return { directory: folder.directory, [Symbol.dispose]: () => folder.release() };
}

function lifeOf(ca: Issuer): string {
  const days = Math.floor(lifeLeftMs(ca, Date.now()) / 86_400_000);
  const until = new Date(ca.notAfterMs).toISOString().slice(0, 10);
  return days > 365_000 ? `${until} (no expiration)` : `${until} (${String(days)} days)`;
}

function issuerView(ca: Issuer): object {
  return {
    name: ca.name,
    subject: ca.subject,
    keyType: ca.keyType,
    subjectKeyIdentifier: Buffer.from(ca.keyIdentifier).toString('hex'),
    notBefore: new Date(ca.notBeforeMs).toISOString(),
    notAfter: new Date(ca.notAfterMs).toISOString(),
    chainFile: ca.chainFile,
  };
}
