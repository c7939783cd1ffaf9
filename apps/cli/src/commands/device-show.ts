import { Command } from 'commander';
import { CertmillError } from '@certmill/domain';
import { openClient, withServerOptions, type ServerOptions } from '../client/server-options.js';
import type { CertificateView } from '../client/views.js';
import { withExamples } from '../terminal/program.js';
import type { Terminal } from '../terminal/terminal.js';

interface ShowOptions extends ServerOptions {
  readonly udid?: string;
}

export function deviceShowCommand(terminal: Terminal): Command {
  const command = new Command('show')
    .description('show the certificates of a device')
    .argument('[device]', 'device id')
    .option('--udid <hex>', 'by its key instead: SHA-256 of the SubjectPublicKeyInfo')
    .action(async (deviceId: string | undefined, options: ShowOptions) => {
      const by = lookUp(deviceId, options.udid);
      using client = openClient(terminal, options);
      const certificates = await client.findCertificates(by);
      if (certificates.length === 0) {
        throw new CertmillError('NOT_FOUND', 'there is no certificate of this device');
      }
      terminal.report(
        { certificates },
        certificates.flatMap((found) => [
          `device  ${found.deviceId}`,
          `serial  ${found.serialNumber} (${found.status}${issuerIn(found)})`,
          `batch   ${found.batchId}, index ${String(found.index)}`,
          found.certificate.trim(),
        ]),
      );
    });
  return withExamples(withServerOptions(command), [
    ['certmill device show gateway-0042', 'its certificates in PEM'],
    [`certmill device show --udid ${'5f'.repeat(32)}`, 'who has this key'],
  ]);
}

function issuerIn({ issuerRevoked }: CertificateView): string {
  return issuerRevoked === undefined ? '' : `, its issuer is revoked: ${issuerRevoked}`;
}

function lookUp(
  deviceId: string | undefined,
  udid: string | undefined,
): { readonly deviceId: string } | { readonly udid: string } {
  if (deviceId !== undefined && udid === undefined) return { deviceId };
  if (deviceId === undefined && udid !== undefined) return { udid };
  throw new CertmillError('INVALID_INPUT', 'name either a device or --udid');
}
