import { compare, type Baseline } from './baseline.js';
import { figureNames } from './figure-names.js';
import type { Figures } from './figures.js';
import { isDisturbed, machineName } from './machine.js';
import { scenarioNames, sizeOf } from './scenarios.js';
import { isAllKept, judge, readThresholds, type Thresholds } from './thresholds.js';
import { aSummary } from './testing/a-summary.js';

const none: Thresholds = { k6: {}, figures: {}, tolerances: {} };
const missed = (thresholds: Thresholds, summary = aSummary(), figures: Figures = {}) =>
  judge(thresholds, summary, figures, {})
    .filter(({ verdict }) => verdict === 'missed')
    .map(({ what }) => what);

describe('thresholds', () => {
  test.each(
    scenarioNames.flatMap((name) =>
      (['server', 'fleet'] as const).flatMap((kind) =>
        [false, true].map((isShort) => ({ name, kind, isShort })),
      ),
    ),
  )('$name has some for a $kind, short: $isShort, that name figures there are', (run) => {
    const { k6, figures, tolerances } = readThresholds(run.name, run.kind, run.isShort);
    // Nothing may fail, in any scenario.
    expect(k6).toMatchObject({ http_req_failed: ['rate==0'], checks: ['rate==1'] });
    for (const each of [...Object.keys(figures), ...Object.keys(tolerances)]) {
      expect(figureNames).toContain(each);
    }
  });

  test('a fleet has bounds of its own, and short ones of its own', () => {
    const bounds = (kind: 'server' | 'fleet', isShort: boolean) =>
      readThresholds('bulk', kind, isShort).figures['certificatesToLimit']?.min;
    const all = [bounds('server', false), bounds('fleet', false), bounds('server', true)];
    expect(new Set([...all, bounds('fleet', true)]).size).toBe(4);
    expect(readThresholds('bulk', 'fleet', false).figures.maxRssMiB).toEqual({ max: 512 });
  });

  test('k6 judges its own', () => {
    const thresholds = { ...none, k6: { http_req_failed: ['rate==0'] } };
    expect(missed(thresholds)).toEqual([]);
    const failing = { values: { rate: 0.1 }, thresholds: { 'rate==0': { ok: false } } };
    expect(missed(thresholds, aSummary({ http_req_failed: failing }))).toEqual(['http_req_failed']);
  });

  test('a metric that k6 never saw is missed, not kept', () => {
    expect(missed({ ...none, k6: { no_such_metric: ['rate==0'] } })).toEqual(['no_such_metric']);
  });

  test('an iteration that broke off is missed, though no check failed', () => {
    const summary = aSummary({ iterations: { values: { count: 5 } } });
    expect(missed(none, summary)).toHaveLength(1);
    expect(missed(none, aSummary({ iterations: { values: { count: 0 } } }))).toHaveLength(1);
  });

  test.each<[Figures, readonly string[]]>([
    [{ certificatesToLimit: 0.3 }, []],
    [{ certificatesToLimit: 0.29 }, ['certificatesToLimit']],
    [{}, ['certificatesToLimit']],
  ])('the figures %j', (figures, expected) => {
    const thresholds = { ...none, figures: { certificatesToLimit: { min: 0.3 } } };
    expect(missed(thresholds, aSummary(), figures)).toEqual(expected);
  });

  test('a soak has bounds of what grows, in one process and in a fleet', () => {
    for (const kind of ['server', 'fleet'] as const) {
      const { figures } = readThresholds('soak', kind, false);
      expect(figures).toMatchObject({ rssGrowthPercent: { max: 2 }, lagGrowthChunks: { max: 16 } });
    }
  });

  test('a figure that the run is too short for is not judged, whatever its value', () => {
    const thresholds = { ...none, figures: { lagGrowthChunks: { max: 16 } } };
    const judged = (tooShort: object, figures: Figures) =>
      judge(thresholds, aSummary(), figures, tooShort).slice(1);
    const short = judged({ lagGrowthChunks: '5 s' }, {});
    expect(short).toMatchObject([{ verdict: 'not judged', got: '5 s', wanted: '<= 16' }]);
    expect(isAllKept(short)).toBe(true);
    expect(judged({}, { lagGrowthChunks: 17 })).toMatchObject([{ verdict: 'missed', got: '17' }]);
    expect(isAllKept(judged({}, {}))).toBe(false);
  });
});

const machine = {
  cores: 2,
  model: 'Intel(R) Xeon(R) CPU @ 2.80GHz',
  memoryGiB: 24,
  node: 'v24.0.0',
  openssl: null,
  loadBefore: 0,
};

describe('the comparison with a baseline', () => {
  const baseline: Baseline = {
    machine,
    target: 't',
    size: sizeOf('mixed', false, {}),
    figures: { certificatesToLimit: 0.4, enrolmentP99Ms: 20 },
  };
  const tolerances = { certificatesToLimit: 0.1, enrolmentP99Ms: 0.5, maxRssMiB: 0.2 };

  test.each<[Figures, readonly boolean[]]>([
    [{ certificatesToLimit: 0.36, enrolmentP99Ms: 30 }, [true, true]],
    [{ certificatesToLimit: 0.35, enrolmentP99Ms: 31 }, [false, false]],
    [{ certificatesToLimit: 0.9, enrolmentP99Ms: 1 }, [true, true]],
    [{}, [false, false]],
  ])('%j', (figures, kept) => {
    const judged = compare(figures, baseline, tolerances);
    expect(judged.map(({ verdict }) => verdict === 'kept')).toEqual(kept);
  });

  test('is with the same kind of machine', () => {
    expect(machineName(machine)).toBe('2-cores-24-gib-intel-xeon-cpu-2.80ghz');
  });

  test.each<[number, readonly number[], boolean]>([
    [0.5, [20_000, 19_000], false],
    [0.5, [20_000], false],
    [0.5, [], false],
    [1.5, [20_000, 19_000], true],
    [0.5, [20_000, 15_000], true],
  ])('load before %d, limits %j: disturbed is %s', (loadBefore, limits, expected) => {
    expect(isDisturbed({ cores: 2, loadBefore }, limits)).toBe(expected);
  });
});
