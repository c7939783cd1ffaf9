import { isUtf8 } from 'node:buffer';

import { tags } from './tags.js';

const PRINTABLE = /^[A-Za-z0-9 '()+,\-./:=?]*$/;

/** Whether all characters are in PrintableString (X.680 41.4). */
export function isPrintable(text: string): boolean {
  return PRINTABLE.test(text);
}

/** Whether `tag` is a string type that names and extensions use. */
export function isStringTag(tag: number): boolean {
  switch (tag) {
    case tags.utf8String:
    case tags.numericString:
    case tags.printableString:
    case tags.teletexString:
    case tags.ia5String:
    case tags.visibleString:
    case tags.universalString:
    case tags.bmpString:
      return true;
    default:
      return false;
  }
}

/** The text of a string type's content, or undefined if its type does not allow the octets. */
export function decodeString(
  bytes: Uint8Array,
  tag: number,
  start: number,
  end: number,
): string | undefined {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
  switch (tag) {
    case tags.utf8String:
      return isUtf8(view) ? view.toString('utf8') : undefined;
    case tags.printableString:
      return matching(view, PRINTABLE);
    case tags.numericString:
      return matching(view, /^[0-9 ]*$/);
    case tags.visibleString:
      return matching(view, /^[ -~]*$/);
    case tags.ia5String:
      return isAscii(view) ? view.toString('latin1') : undefined;
    case tags.teletexString:
      // T.61 in the standard, Latin-1 in practice (as OpenSSL reads it).
      return view.toString('latin1');
    case tags.bmpString:
      return decodeWide(view, 2);
    case tags.universalString:
      return decodeWide(view, 4);
    default:
      return undefined;
  }
}

/** ASCII text (IA5String content, as in dNSName), or undefined. */
export function decodeAscii(bytes: Uint8Array, start: number, end: number): string | undefined {
  return decodeString(bytes, tags.ia5String, start, end);
}

/** Whether there are C0 or C1 control characters or DEL: legal in most types, wanted in none. */
export function hasControlCharacters(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return true;
  }
  return false;
}

function isAscii(view: Buffer): boolean {
  for (const octet of view) if (octet >= 0x80) return false;
  return true;
}

function matching(view: Buffer, pattern: RegExp): string | undefined {
  const text = view.toString('latin1');
  return pattern.test(text) ? text : undefined;
}

/** Big-endian code points of 2 or 4 octets; surrogates are in neither repertoire. */
function decodeWide(view: Buffer, octets: 2 | 4): string | undefined {
  if (view.length % octets !== 0) return undefined;
  let text = '';
  for (let index = 0; index < view.length; index += octets) {
    const code = view.readUIntBE(index, octets);
    if (code > 0x10_ffff || (code >= 0xd800 && code <= 0xdfff)) return undefined;
    text += String.fromCodePoint(code);
  }
  return text;
}
