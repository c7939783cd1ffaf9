import { KeptReplies } from './kept-replies.js';
import type { StatusReply } from './status-reply.js';

function aReply(bytes: number, keepUntilMs = 10_000): StatusReply {
  return { status: 200, headers: ['Content-Type', 'x'], body: new Uint8Array(bytes), keepUntilMs };
}

test('replies are kept until their time, the first one in goes first', () => {
  const kept = new KeptReplies({ answers: 2, bytes: 1_000_000 });
  for (const key of ['a', 'b', 'c']) kept.keep(key, aReply(10));
  expect(kept.get('a', 0)).toBeUndefined();
  expect(kept.get('c', 9_999)?.body).toHaveLength(10);
  expect(kept.get('c', 10_000)).toBeUndefined();
});

test('their octets are bounded too, what stands beside them included', () => {
  const kept = new KeptReplies({ answers: 1_000, bytes: 100_000 });
  for (let i = 0; i < 100; i += 1) kept.keep(String(i), aReply(20_000));
  const left = Array.from({ length: 100 }, (_, i) => kept.get(String(i), 0)).filter(Boolean);
  expect(left).toHaveLength(4);
  const small = new KeptReplies({ answers: 1_000, bytes: 100_000 });
  for (let i = 0; i < 1_000; i += 1) small.keep(String(i), aReply(0));
  const leftOfSmall = Array.from({ length: 1_000 }, (_, i) => small.get(String(i), 0));
  expect(leftOfSmall.filter(Boolean).length).toBeLessThan(200);
});

test('one in the place of another counts once, and one that has no room is not kept', () => {
  const kept = new KeptReplies({ answers: 10, bytes: 2_000 });
  for (let i = 0; i < 10; i += 1) kept.keep('same', aReply(900));
  kept.keep('other', aReply(10));
  expect([kept.get('same', 0), kept.get('other', 0)].filter(Boolean)).toHaveLength(2);
  kept.keep('large', aReply(5_000));
  expect(kept.get('large', 0)).toBeUndefined();
});
