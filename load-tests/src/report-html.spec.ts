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
      judgements: [{ what: 'checks', wanted: 'rate==1', got: '0.5', isKept: false }],
      baseline: null,
      samples: [
        { atSeconds: 0, rssMiB: 100 },
        { atSeconds: 1, rssMiB: 150 },
      ],
      processes: [{ name: 'sign-bulk', cpuSeconds: 7.25, maxRssMiB: 199.6 }],
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
  ])('shows %s', (text) => expect(html).toContain(text));

  test('needs nothing from elsewhere, and quotes what it shows', () => {
    expect(html).not.toMatch(/(?:src|href)=|@import|url\(/);
    expect(html).toContain('a &lt;server>');
  });
});
