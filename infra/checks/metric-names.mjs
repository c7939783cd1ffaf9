import { globSync } from 'node:fs';
import { readJson, readText, readYaml, root } from './files.mjs';

/** Labels that Prometheus adds. */
const targetLabels = ['job', 'role', 'instance', 'namespace', 'pod'];

/** The series of docs/metrics.md, with the labels of each. */
export function documentedSeries() {
  const rows = readText('docs/metrics.md').matchAll(
    /^\| ([a-z][a-z0-9_]+) +\| (counter|gauge|histogram) +\| ([a-z, ]*)\|/gm,
  );
  const series = new Map();
  for (const [, name, type, columns] of rows) {
    const labels = [...columns.split(',').map((label) => label.trim()), ...targetLabels];
    if (type !== 'histogram') series.set(name, new Set(labels));
    else {
      series.set(`${name}_bucket`, new Set([...labels, 'le']));
      series.set(`${name}_sum`, new Set(labels));
      series.set(`${name}_count`, new Set(labels));
    }
  }
  return series;
}

const ours = /(?<![\w$])(?:certmill|nodejs|process)_[a-z0-9_]+|(?<![\w$.-])up(?=[{ )])/g;
const grouping = /\b(?:by|without|on|ignoring)\s*\(([^)]*)\)/g;

const text = /"(?:[^"\\]|\\.)*"/g;

/** What a PromQL expression selects, and by what it groups. */
export function namesIn(query) {
  const texts = query.match(text) ?? [];
  const outside = query.replace(text, '""');
  // Of the texts up to a place, the last one is the one there.
  const textAt = (end) => JSON.parse(texts[outside.slice(0, end).split('""').length - 2]);
  const selectors = [...outside.matchAll(ours)].map((match) => {
    const [name] = match;
    const start = match.index + name.length;
    const [braces = ''] = /^\{[^}]*\}/.exec(outside.slice(start)) ?? [];
    const matchers = [...braces.matchAll(/(\w+)\s*(=~|!~|!=|=)\s*""/g)].map((found) => {
      const [all, label, operator] = found;
      return { label, operator, value: textAt(start + found.index + all.length) };
    });
    return { name, matchers };
  });
  const groupedBy = [...outside.matchAll(grouping)].flatMap(([, list]) =>
    list
      .split(',')
      .map((label) => label.trim())
      .filter((label) => label !== ''),
  );
  // What label_replace makes of it is a label from then on.
  const made = [...query.matchAll(/"([a-z]+)",\s*"\$1"/g)].map(([, to]) => to);
  return { selectors, groupedBy, made };
}

/** What is wrong with the names in a PromQL expression, where these are the series and their labels. */
export function problemsOfQuery(query, series = documentedSeries(), of = 'docs/metrics.md') {
  const { selectors, groupedBy, made } = namesIn(query);
  const known = selectors.filter(({ name }) => series.has(name));
  const labels = new Set([...known.flatMap(({ name }) => [...series.get(name)]), ...made]);
  return [
    ...selectors
      .filter(({ name }) => !series.has(name))
      .map(({ name }) => `${name} is not in ${of}`),
    ...known.flatMap(({ name, matchers }) =>
      matchers
        .filter(({ label }) => !series.get(name).has(label))
        .map(({ label }) => `${name} has no label ${label}`),
    ),
    ...groupedBy
      .filter((label) => !labels.has(label))
      .map((label) => `no metric of it has a label ${label}`),
  ];
}

/** What is told at /metrics: its series with their labels, and the names that are declared. */
export function seriesIn(exposition) {
  const series = [...exposition.matchAll(/^([a-z]\w*)(?:\{(.*)\})? \S+$/gm)].map(
    ([, name, braces = '']) => ({
      name,
      labels: Object.fromEntries(
        [...braces.matchAll(/(\w+)=("(?:[^"\\]|\\.)*")/g)].map(([, label, value]) => [
          label,
          JSON.parse(value),
        ]),
      ),
    }),
  );
  const declared = new Set([...exposition.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name));
  return { series, declared };
}

/** Whether a label's value is one that a matcher selects; a variable of a dashboard is anything. */
export function selects({ operator, value }, actual) {
  if (operator === '=') return actual === value;
  if (operator === '!=') return actual !== value;
  const pattern = new RegExp(`^(?:${value.replace(/\$\w+/g, '.*')})$`);
  return pattern.test(actual) === (operator === '=~');
}

/**
 * Queries that find nothing in what services tell now. Labels of Prometheus are left out: no service has
 * them. `expected` names, with a reason, matchers and metrics of what does not happen in a sound fleet:
 * such a metric must be declared at least, and its labels are those of docs/metrics.md. One that no
 * query has is found too.
 */
export function unansweredQueries(expositions, expected = {}) {
  const told = expositions.map(seriesIn);
  const series = told.flatMap((each) => each.series);
  const declared = new Set(told.flatMap((each) => [...each.declared]));
  const live = new Map([['up', new Set(targetLabels)]]);
  for (const { name, labels } of series) {
    live.set(name, new Set([...(live.get(name) ?? targetLabels), ...Object.keys(labels)]));
  }
  const documented = documentedSeries();
  for (const name of Object.keys(expected)) {
    if (declared.has(name) && !live.has(name)) live.set(name, documented.get(name));
  }
  const finds = ({ name, matchers }) => {
    const own = matchers.filter(({ label }) => !targetLabels.includes(label));
    return (
      own.length === 0 ||
      series.some((each) => {
        if (each.name !== name) return false;
        return own.every((matcher) => selects(matcher, each.labels[matcher.label] ?? ''));
      })
    );
  };
  const shown = ({ name, matchers }) =>
    `${name}{${matchers.map((each) => `${each.label}${each.operator}"${each.value}"`).join(',')}}`;
  const asked = new Set();
  const unanswered = queries().flatMap(({ where, query }) => {
    const { selectors } = namesIn(query);
    for (const selector of selectors) asked.add(selector.name).add(shown(selector));
    const isExpected = (selector) => selector.name in expected || shown(selector) in expected;
    const empty = selectors
      .filter((selector) => live.has(selector.name) && !finds(selector) && !isExpected(selector))
      .map((selector) => `${shown(selector)} selects nothing`);
    const wrong = problemsOfQuery(query, live, 'what services tell');
    return [...new Set([...wrong, ...empty])].map((problem) => `${where}: ${problem}`);
  });
  const idle = Object.keys(expected).filter((name) => !asked.has(name));
  return [...unanswered, ...idle.map((name) => `no query asks for ${name}`)];
}

/** Where queries are, and what they are. */
export function queries() {
  const { groups } = readYaml('infra/prometheus/alerts.yml');
  const alerts = groups.flatMap(({ rules }) =>
    rules.map(({ alert, expr }) => ({ where: `alert ${alert}`, query: expr })),
  );
  const dashboards = globSync('infra/grafana/dashboards/*.json', { cwd: root }).flatMap((file) => {
    const { panels, templating } = readJson(file);
    return [
      ...panels.flatMap(({ title, targets = [] }) =>
        targets.map(({ expr }) => ({ where: `${file}: ${title}`, query: expr })),
      ),
      ...templating.list.map(({ name, query }) => ({
        where: `${file}: $${name}`,
        query: query.query.replace(/^label_values\((.*), \w+\)$/, '$1 '),
      })),
    ];
  });
  // Of the template of KEDA's objects; what Helm puts in are names.
  const scaling = [
    ...readText('infra/helm/certmill/templates/autoscaling.yaml').matchAll(/^ +query: (.*)$/gm),
  ].map(([, query]) => ({ where: 'autoscaling.yaml', query: query.replace(/\{\{.*?\}\}/g, 'x') }));
  return [...alerts, ...dashboards, ...scaling];
}

/** Names in alerts and dashboards that nothing has. */
export function unknownNames() {
  const series = documentedSeries();
  return queries().flatMap(({ where, query }) =>
    problemsOfQuery(query, series).map((problem) => `${where}: ${problem}`),
  );
}

const literal = /'(certmill_[a-z0-9_]+)'/g;
const pattern = /`(certmill_[a-z0-9_]*)\$\{name\}([a-z0-9_]*)`/g;

/** Metrics that the code makes and docs/metrics.md does not have, and the other way round. */
export function undocumentedMetrics() {
  const sources = [
    'libs/platform/src/**/*.ts',
    'libs/fleet/src/**/*.ts',
    'apps/standalone/src/**/*.ts',
  ];
  const texts = globSync(sources, { cwd: root })
    .filter((file) => !/\.(?:spec|fixture)\.ts$/.test(file))
    .map(readText);
  const made = new Set(
    texts.flatMap((text) => [...text.matchAll(literal)].map(([, name]) => name)),
  );
  // Families, such as those of slots, are made of a prefix and short names.
  const family = texts.flatMap((text) =>
    [...text.matchAll(pattern)].flatMap(([, prefix, suffix]) =>
      [...text.matchAll(/\(\s*'([a-z0-9_]+)'/g)].map(([, name]) => `${prefix}${name}${suffix}`),
    ),
  );
  const documented = new Set(
    [...documentedSeries().keys()]
      .filter((name) => name.startsWith('certmill_'))
      .map((name) => name.replace(/_(?:bucket|sum|count)$/, '')),
  );
  const missing = documented.difference(made).difference(new Set(family));
  return [
    ...[...made.difference(documented)].map((name) => `${name} is not in docs/metrics.md`),
    ...[...missing].map((name) => `${name} is in docs/metrics.md, and no code makes it`),
  ];
}
