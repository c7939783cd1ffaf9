import { traceparentOfChunk } from './trace-context.js';

const sampled = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`;
const unsampled = sampled.replace(/01$/, '00');

describe('the trace context of a chunk', () => {
  it('is that of its upload, as long as the upload is short', () => {
    for (const position of [0, 1, 31]) expect(traceparentOfChunk(sampled, position)).toBe(sampled);
  });

  it('is traced for few chunks of a long upload, which are spread over it', () => {
    const traced = Array.from({ length: 65_536 }, (_, i) => i).filter(
      (position) => traceparentOfChunk(sampled, position) === sampled,
    );
    expect([traced.length, traced.at(-1)]).toEqual([287, 65_280]);
  });

  it('is handed on without the flag where the chunk is not traced', () => {
    expect(traceparentOfChunk(sampled, 32)).toBe(unsampled);
    expect(traceparentOfChunk(sampled.replace(/01$/, '03'), 32)).toMatch(/-02$/);
    expect(traceparentOfChunk(unsampled, 32)).toBe(unsampled);
    expect(traceparentOfChunk(undefined, 32)).toBeUndefined();
  });
});
