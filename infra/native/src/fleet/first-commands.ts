import { join } from 'node:path';
import type { ObservedService } from './fleet-status.js';
import { crlPath } from './local-authority.js';

export interface FleetAddress {
  readonly url: string;
  /** Of the validation authority. */
  readonly statusUrl: string;
  /** Folder with the certificates of the CAs. */
  readonly publicTrust: string;
  readonly keyFile: string;
  readonly configFile: string;
  readonly services: readonly Pick<ObservedService, 'name' | 'operationsUrl'>[];
}

/** What to try first, line by line; the batch's id is what `submit` prints. */
export function firstCommands(fleet: FleetAddress): readonly string[] {
  const { url, statusUrl, publicTrust, keyFile, configFile, services } = fleet;
  const ca = (name: string): string => join(publicTrust, 'ca', name, 'certificate.pem');
  const at = `--server ${url} --key-file ${keyFile}`;
  const metrics = services.map(({ name, operationsUrl }) => `--metrics ${name}=${operationsUrl}`);
  return [
    'openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout gw-1.key -subj /CN=gw-1 -out gw-1.pem',
    `npx certmill order create first --profile tls-client --quota 1000 --any-device ${at}`,
    `npx certmill submit gw-1.pem --order first ${at}`,
    `npx certmill watch BATCH_ID ${at}`,
    `npx certmill fetch BATCH_ID --out ./certs/ ${at}`,
    `npx certmill revoke --device gw-1 --reason keyCompromise ${at}`,
    `openssl ocsp -issuer ${ca('factory')} -CAfile ${ca('root')} -cert certs/certificates.pem -url ${statusUrl}/ocsp`,
    `curl -sS -o factory.crl ${statusUrl}${crlPath}`,
    'openssl crl -inform der -in factory.crl -noout -text',
    `npx certmill fleet lag --config ${configFile}`,
    `npx certmill fleet bench --requests 50000 ${at} ${metrics.join(' ')}`,
  ];
}
