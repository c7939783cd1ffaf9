import { caCrlUriOf, caIssuersUriOf, type StatusAddresses } from '@certmill/domain';

/** Where the status of a CA certificate is told that a CA with these addresses signs. */
export function statusUnder(
  status: StatusAddresses,
  parent: string,
): { readonly crlDistributionPoints: readonly string[]; readonly caIssuers: readonly string[] } {
  return {
    crlDistributionPoints: [caCrlUriOf(status, parent)],
    caIssuers: [caIssuersUriOf(status, parent)],
  };
}
