import { isIP } from 'node:net';
import { CertmillError } from '@certmill/domain';
import type { WritableSubtree } from '@certmill/der';
import { distinguishedNameDer, parseDistinguishedName } from './distinguished-name.js';

/**
 * A subtree of nameConstraints (RFC 5280 4.2.1.10) as people write it: `dns:example.com`,
 * `email:example.com`, `uri:.example.com`, `ip:10.0.0.0/8` or `dn:O=Example,OU=Devices`. INVALID_INPUT.
 */
export function parseSubtree(text: string): WritableSubtree {
  const colon = text.indexOf(':');
  const value = text.slice(colon + 1);
  switch (text.slice(0, Math.max(0, colon))) {
    case 'dns':
      return { kind: 'dNSName', value: checkedHost(text, value) };
    case 'uri':
      return { kind: 'uniformResourceIdentifier', value: checkedHost(text, value) };
    case 'email':
      checkedHost(text, value.replace(/^[^@]{1,64}@(?=.)/, ''));
      return { kind: 'rfc822Name', value };
    case 'ip':
      return { kind: 'iPAddress', octets: addressRange(text, value) };
    case 'dn':
      return {
        kind: 'directoryName',
        nameDer: distinguishedNameDer(parseDistinguishedName(value)),
      };
    default:
      throw refusal(text, 'write dns:, email:, uri:, ip: or dn: before the name');
  }
}

const host = /^\.?[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/i;

function checkedHost(text: string, value: string): string {
  if (value.length <= 253 && host.test(value)) return value;
  throw refusal(text, 'it is no host or domain');
}

/** The address and its mask (RFC 4632), 8 or 32 octets. */
function addressRange(text: string, value: string): Uint8Array {
  const [address = '', prefixText = ''] = value.split('/');
  const family = isIP(address);
  const bits = family === 4 ? 32 : 128;
  const prefix = Number(prefixText);
  if (family === 0 || !/^\d{1,3}$/.test(prefixText) || prefix > bits) {
    throw refusal(text, 'write ADDRESS/BITS, such as ip:10.0.0.0/8');
  }
  const octets = family === 4 ? octetsOfIpv4(address) : octetsOfIpv6(address);
  const mask = octets.map(
    (_, index) => 0xff & (0xff00 >> Math.min(8, Math.max(0, prefix - index * 8))),
  );
  if (octets.some((octet, index) => (octet & ~(mask[index] ?? 0)) !== 0)) {
    throw refusal(text, 'the address has bits behind its prefix');
  }
  return Uint8Array.from([...octets, ...mask]);
}

function octetsOfIpv4(address: string): number[] {
  return address.split('.').map(Number);
}

function octetsOfIpv6(address: string): number[] {
  // The parser of WHATWG URLs writes every form, also one that ends with an IPv4 address, in groups.
  const [head = '', tail] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split('::');
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => 0);
  return [...before, ...zeros, ...after].flatMap((group) => [group >> 8, group & 0xff]);
}

function refusal(text: string, reason: string): CertmillError {
  return new CertmillError(
    'INVALID_INPUT',
    `the name constraint '${text.slice(0, 80)}' cannot be read: ${reason} (RFC 5280 4.2.1.10)`,
  );
}
