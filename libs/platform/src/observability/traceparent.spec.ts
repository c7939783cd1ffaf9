import { formatTraceparent, isSampled, remoteSpanOf, traceparentOf } from './traceparent.js';

const traceId = 'ab'.repeat(16);
const spanId = 'cd'.repeat(8);
const header = `00-${traceId}-${spanId}-01`;

describe('the traceparent header', () => {
  it('names a span and whether it is sampled', () => {
    const span = remoteSpanOf(header);
    expect(span).toEqual({ traceId, spanId, flags: 1 });
    expect(span && formatTraceparent(span)).toBe(header);
    expect([isSampled({ flags: 3 }), isSampled({ flags: 2 })]).toEqual([true, false]);
  });

  it('of a later version is taken for what version 00 has (W3C 4.3)', () => {
    expect(traceparentOf(`cc-${traceId}-${spanId}-01-what-comes`)).toBe(header);
    expect(traceparentOf(`cc-${traceId}-${spanId}-01`)).toBe(header);
  });

  it.each([
    undefined,
    '',
    `ff-${traceId}-${spanId}-01`,
    `00-${traceId}-${spanId}-01-more`,
    `00-${traceId}-${spanId}-1`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${'0'.repeat(32)}-${spanId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `${header}, ${header}`,
    `${header}\r\nx: y`,
  ])('is passed over where it is %j', (bad) => {
    expect(traceparentOf(bad)).toBeUndefined();
  });
});
