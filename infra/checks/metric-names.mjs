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

/** What is wrong with the names in a PromQL expression. */
export function problemsOfQuery(query, series = documentedSeries()) {
  const problems = [];
  // What label_replace makes of it is a label from then on.
  const made = [...query.matchAll(/label_replace\([^"]*|"([a-z]+)",\s*"\$1"/g)].map(([, to]) => to);
  const known = new Set([...[...series.values()].flatMap((labels) => [...labels]), ...made]);
  const outsideStrings = query.replace(/"(?:[^"\\]|\\.)*"/g, '""');
  for (const match of outsideStrings.matchAll(ours)) {
    const [name] = match;
    const labels = series.get(name);
    if (labels === undefined) {
      problems.push(`${name} is not in docs/metrics.md`);
      continue;
    }
    const matchers = /^\{([^}]*)\}/.exec(outsideStrings.slice(match.index + name.length));
    for (const [, label] of (matchers?.[1] ?? '').matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)) {
      if (!labels.has(label)) problems.push(`${name} has no label ${label}`);
    }
  }
  for (const [, list] of outsideStrings.matchAll(grouping)) {
    for (const label of list.split(',').map((text) => text.trim())) {
      if (label !== '' && !known.has(label)) problems.push(`no metric has a label ${label}`);
    }
  }
  return problems;
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
  return [...alerts, ...dashboards];
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
