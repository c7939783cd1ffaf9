import { encodeTlv, tags } from '@certmill/der';
import { type DerNode, readDerNode } from '../lint/der-node.js';

/** What becomes of one element; the lengths of those around it follow. */
const changes: readonly ((node: DerNode) => Uint8Array)[] = [
  () => new Uint8Array(),
  ({ tag }) => encodeTlv(tag),
  ({ der }) => Buffer.concat([der, der]),
  ({ tag, content }) => encodeTlv(tag ^ 0xc8, content),
  ({ tag, content }) => encodeTlv(tag, content.subarray(0, content.length >> 1)),
  ({ tag, content }) => encodeTlv(tag, content, new Uint8Array(40).fill(0xff)),
];

/** Every variant of `der` in which one element, also inside OCTET STRINGs, is gone, emptied, doubled... */
export function* alteredElements(der: Uint8Array): Generator<Uint8Array> {
  const root = readDerNode(der);
  if (root === undefined) return;
  const count = elementsOf(root);
  for (let position = 0; position < count; position += 1) {
    for (const change of changes) {
      let left = position;
      const write = (node: DerNode): Uint8Array => {
        if (left-- === 0) return change(node);
        const parts = partsOf(node);
        return parts.length === 0 ? node.der : encodeTlv(node.tag, ...parts.map(write));
      };
      yield write(root);
    }
  }
}

function partsOf({ tag, content, children }: DerNode): readonly DerNode[] {
  if (children.length > 0 || tag !== tags.octetString) return children;
  const inside = readDerNode(content);
  return inside === undefined ? [] : [inside];
}

function elementsOf(node: DerNode): number {
  return partsOf(node).reduce((sum, part) => sum + elementsOf(part), 1);
}
