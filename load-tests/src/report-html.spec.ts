import { reportHtml } from './report-html.js';
import type { LoadReport } from './report.js';
import { sizeOf } from './scenarios.js';

const report: LoadReport = {
  startedAt: '2026-01-01T00:00:00.000Z',
  target: 'a <server>',
  machine: {
    cores: 2,
    model: 'model',
    memoryGiB: 4,
    node: 'v24.0.0',
    openssl: 'OpenSSL 3',
    loadBefore: 0.1,
  },
  isShort: false,
  isKept: false,
  scenarios: [
    {
      scenario: 'bulk',
      size: sizeOf('bulk', false, { size: 1_234 }),
      limitsPerSecond: [20_000, 21_000],
      isDisturbed: false,
      figures: { certificates: 3_702, certificatesToLimit: 0.123 },
      judgements: [{ what: 'checks', wanted: 'rate==1', got: '0.5', verdict: 'missed' }],
      baseline: null,
      samples: [
        { atSeconds: 0, requests: 0, lagChunks: 12, processRssMiB: [100] },
        { atSeconds: 1, requests: 9, lagChunks: 34, processRssMiB: [150] },
      ],
      processes: [
        {
          name: 'sign-bulk',
          cpuSeconds: 7.25,
          maxRssMiB: 199.6,
          hasBegunAnew: false,
          rssGrowthPercent: 1.234,
        },
        {
          name: 'publish-bulk',
          cpuSeconds: 1,
          maxRssMiB: 99,
          hasBegunAnew: true,
          rssGrowthPercent: null,
        },
      ],
    },
  ],
};

describe('the report as a page', () => {
  const html = reportHtml(report);

  test.each([
    '1,234',
    '3,702',
    '0.123',
    '20,000 and 21,000',
    'missed',
    'rate==1',
    '<polyline',
    'sign-bulk',
    '200',
    '1.23',
    '<td class="number">not judged</td>',
    '0 to 150 MiB, 0 to 1 s',
    '0 to 34 chunks, 0 to 1 s',
  ])('shows %s', (text) => expect(html).toContain(text));

  test('needs nothing from elsewhere, and quotes what it shows', () => {
    expect(html).not.toMatch(/(?:src|href)=|@import|url\(/);
    expect(html).toContain('a &lt;server>');
  });
});
