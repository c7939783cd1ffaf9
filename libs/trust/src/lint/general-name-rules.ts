import { contextConstructed, contextPrimitive, oids, tags } from '@certmill/der';
import { latin1, oidOf } from './der-node.js';
import { findExtension, type LintedCertificate, subjectAltNamesOf } from './linted-certificate.js';
import { type LintRule, when } from './lint-rule.js';
import { isLabel } from './name-rules.js';

const rfc822NameTag = contextPrimitive(1);
const dNSNameTag = contextPrimitive(2);
const uriTag = contextPrimitive(6);
const iPAddressTag = contextPrimitive(7);
const otherNameTag = contextConstructed(0);

const maxHostNameCharacters = 253;

function eachName(
  tag: number,
  problem: (text: string) => string | undefined,
): (certificate: LintedCertificate) => readonly string[] {
  return (certificate) =>
    subjectAltNamesOf(certificate, tag).flatMap((name) => problem(latin1(name)) ?? []);
}

/** subjectAltName and the forms of its names: RFC 5280 4.2.1.6, 4.2.1.7. */
export const generalNameRules: readonly LintRule[] = [
  {
    id: 'subject-alt-name-not-empty',
    clause: 'RFC 5280 4.2.1.6',
    check: (certificate) => {
      const names = findExtension(certificate, oids.id_ce_subjectAltName);
      return when(names?.value?.children.length === 0, 'subjectAltName holds no name');
    },
  },
  {
    id: 'issuer-alt-name-not-empty',
    clause: 'RFC 5280 4.2.1.7',
    check: (certificate) => {
      const names = findExtension(certificate, oids.id_ce_issuerAltName);
      return when(names?.value?.children.length === 0, 'issuerAltName holds no name');
    },
  },
  {
    id: 'dns-name-syntax',
    clause: 'RFC 5280 4.2.1.6',
    check: eachName(dNSNameTag, (text) =>
      isHostName(text.replace(/^\*\./, ''))
        ? undefined
        : `dNSName '${shown(text)}' is not a name in preferred syntax (RFC 1034 3.5)`,
    ),
  },
  {
    id: 'uri-syntax',
    clause: 'RFC 5280 4.2.1.6',
    check: eachName(uriTag, uriProblem),
  },
  {
    id: 'rfc822-name-syntax',
    clause: 'RFC 5280 4.2.1.6',
    check: eachName(rfc822NameTag, (text) =>
      isMailbox(text)
        ? undefined
        : `rfc822Name '${shown(text)}' is not a Mailbox, local-part@domain (RFC 2821 4.1.2)`,
    ),
  },
  {
    id: 'ip-address-octets',
    clause: 'RFC 5280 4.2.1.6',
    check: (certificate) =>
      subjectAltNamesOf(certificate, iPAddressTag).flatMap(({ content }) =>
        when(content.length !== 4 && content.length !== 16, 'iPAddress is not 4 or 16 octets'),
      ),
  },
  {
    id: 'hardware-module-name',
    clause: 'RFC 4108 5',
    check: (certificate) =>
      subjectAltNamesOf(certificate, otherNameTag)
        .filter((name) => oidOf(name.children[0]) === oids.id_on_hardwareModuleName)
        .flatMap((name) => {
          const [hwType, hwSerialNum] = name.children[1]?.children[0]?.children ?? [];
          return when(
            oidOf(hwType) === undefined ||
              hwSerialNum?.tag !== tags.octetString ||
              hwSerialNum.content.length === 0,
            'hardwareModuleName is not a hardware type with a serial number',
          );
        }),
  },
];

/** RFC 5280 4.2.1.6: absolute, a scheme and a scheme-specific part; with an authority, its host. */
export function uriProblem(text: string): string | undefined {
  if (!/^[\x21-\x7e]+$/.test(text)) return `URI '${shown(text)}' has characters no URI may have`;
  const parts = /^[A-Za-z][A-Za-z0-9+.-]*:(?:\/\/([^/?#]*))?(.*)$/.exec(text);
  if (parts === null) return `URI '${shown(text)}' is relative, it has no scheme`;
  const [, authority, rest = ''] = parts;
  if (authority === undefined) {
    return rest === '' ? `URI '${shown(text)}' has nothing after its scheme` : undefined;
  }
  const host = authority.replace(/^[^@]*@/, '').replace(/:[0-9]*$/, '');
  const isAddress = /^\[[0-9A-Fa-f:.]+\]$/.test(host) || /^[0-9]+(\.[0-9]+){3}$/.test(host);
  return isAddress || isHostName(host)
    ? undefined
    : `URI '${shown(text)}' has no fully qualified domain name or IP address as its host`;
}

function isHostName(text: string): boolean {
  return text.length <= maxHostNameCharacters && text.split('.').every(isLabel);
}

function isMailbox(text: string): boolean {
  const at = text.lastIndexOf('@');
  const local = text.slice(0, at);
  return (
    at > 0 &&
    local.length <= 64 &&
    /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/.test(local) &&
    isHostName(text.slice(at + 1))
  );
}

function shown(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 80);
}
