import { tags } from '../encoding/tags.js';

/** How a key identifier is made: RFC 5280 4.2.1.2 (1), or RFC 7093 2 method 1. */
export type SkiMethod = 'sha1' | 'rfc7093-sha256';

/** A piece of DER with holes: a tree of values that `compileTemplate` turns into a DerTemplate. */
export type TemplateNode =
  | { readonly kind: 'fixed'; readonly der: Uint8Array }
  | {
      readonly kind: 'constructed';
      readonly tag: number;
      readonly children: readonly TemplateNode[];
    }
  | { readonly kind: 'set-of'; readonly children: readonly TemplateNode[] }
  | { readonly kind: 'slot'; readonly slot: string; readonly tag: number }
  | { readonly kind: 'raw-slot'; readonly slot: string }
  | { readonly kind: 'optional'; readonly slot: string; readonly child: TemplateNode }
  | { readonly kind: 'time'; readonly slot: string }
  | { readonly kind: 'integer'; readonly slot: string; readonly maxOctets: number }
  | { readonly kind: 'ski'; readonly spkiSlot: string; readonly method: SkiMethod };

/** Complete DER that is the same in every document. */
export function fixed(der: Uint8Array): TemplateNode {
  return { kind: 'fixed', der };
}

/** A header with `tag` around the children. */
export function constructed(tag: number, ...children: readonly TemplateNode[]): TemplateNode {
  return { kind: 'constructed', tag, children };
}

export function sequence(...children: readonly TemplateNode[]): TemplateNode {
  return constructed(tags.sequence, ...children);
}

/** SET OF in DER order (X.690 11.6): sorted once if all children are fixed, else when written. */
export function setOf(...children: readonly TemplateNode[]): TemplateNode {
  return { kind: 'set-of', children };
}

/**
 * A primitive element whose content is given when the document is written, as bytes or as text.
 * Text is UTF-8 in UTF8String and OCTET STRING; elsewhere it has to be ASCII, and in
 * PrintableString of its character set.
 */
export function slot(name: string, tag: number): TemplateNode {
  return { kind: 'slot', slot: name, tag };
}

/** One or more complete elements given when the document is written: a CSR's key, a SAN. */
export function rawSlot(name: string): TemplateNode {
  return { kind: 'raw-slot', slot: name };
}

/** `child`, left out when the slot has no value. */
export function optional(slotName: string, child: TemplateNode): TemplateNode {
  return { kind: 'optional', slot: slotName, child };
}

/** UTCTime or GeneralizedTime (RFC 5280 4.1.2.5) from epoch seconds. */
export function time(slotName: string): TemplateNode {
  return { kind: 'time', slot: slotName };
}

/** A positive INTEGER from a big-endian magnitude; `maxOctets` of content (20 for serials). */
export function integer(slotName: string, maxOctets = Number.MAX_SAFE_INTEGER): TemplateNode {
  return { kind: 'integer', slot: slotName, maxOctets };
}

/** OCTET STRING that contains the DER of the child, as in extnValue. */
export function octetStringOf(child: TemplateNode): TemplateNode {
  return constructed(tags.octetString, child);
}

/** BIT STRING that contains the DER of the child. */
export function bitStringOf(child: TemplateNode): TemplateNode {
  return constructed(tags.bitString, fixed(Uint8Array.of(0)), child);
}

/** OCTET STRING with the key identifier of the SubjectPublicKeyInfo in `spkiSlot`. */
export function skiOf(spkiSlot: string, method: SkiMethod): TemplateNode {
  return { kind: 'ski', spkiSlot, method };
}
