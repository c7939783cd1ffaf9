import { decodeInteger } from '@certmill/der';
import { type DerNode, oidOf, readDerNode } from '../lint/der-node.js';
import { secondsOf } from '../lint/field-rules.js';
import { attributesOf } from '../lint/linted-certificate.js';
import { attributeName } from './oid-names.js';

/** What is shown: plain data, the same for people and for scripts. */
export type View =
  string | number | boolean | readonly View[] | { readonly [field: string]: View | undefined };

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/** What no decoder knows: its DER. */
export function rawView(node: DerNode): View {
  return { der: hexOf(node.der) };
}

/** ISO 8601 in UTC; a time that is none is told as it stands. */
export function timeView(node: DerNode): string {
  return isoTime(secondsOf(node)) ?? `not a time: ${textOf(node)}`;
}

export function isoTime(seconds: number): string | undefined {
  return Number.isNaN(seconds)
    ? undefined
    : new Date(seconds * 1_000).toISOString().replace('.000', '');
}

/**
 * A Name in one line, in the order of its encoding; values are escaped as RFC 4514 2.4 asks for, control
 * characters and those that are not seen and order others (category Cf) too.
 */
export function nameView(name: DerNode): string {
  return attributesOf(name)
    .map(({ oid, value }) => `${attributeName(oid)}=${escaped(textOf(value))}`)
    .join(', ');
}

/** The same of a Name element; empty where the bytes are no DER. */
export function nameText(nameDer: Uint8Array): string {
  const name = readDerNode(nameDer);
  return name === undefined ? '' : nameView(name);
}

function escaped(text: string): string {
  return text
    .replace(/[",+;<>\\]/g, (character) => `\\${character}`)
    .replace(/[\x00-\x1f\x7f-\x9f]|\p{Cf}/gu, (character) => {
      return `\\${hexOf(Buffer.from(character, 'utf8')).replace(/(..)(?!$)/g, '$1\\')}`;
    })
    .replace(/^[ #]/, '\\$&')
    .replace(/ $/, '\\ ');
}

const bmpString = 0x1e;

/** The characters of a string element; of any other its content in hex after a `#`. */
export function textOf({ tag, content, der }: DerNode): string {
  if (tag === bmpString) {
    return content.length % 2 === 0
      ? Buffer.from(content).swap16().toString('utf16le')
      : `#${hexOf(der)}`;
  }
  // UTF8String, PrintableString, TeletexString, IA5String, the times, VisibleString, and [n] of them.
  const isText = [0x0c, 0x12, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1a].includes(tag) || tag >= 0x80;
  return isText ? Buffer.from(content).toString('utf8') : `#${hexOf(der)}`;
}

/** An INTEGER as a number where it fits, else in decimal. */
export function integerView(node: DerNode): number | string {
  const value = decodeInteger(node.content, 0, node.content.length);
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER
    ? Number(value)
    : value.toString();
}

export function oidsIn(nodes: readonly DerNode[]): readonly string[] {
  return nodes.flatMap((node) => oidOf(node) ?? []);
}
