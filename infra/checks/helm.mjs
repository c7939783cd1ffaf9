import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { basename } from 'node:path';
import { objectsOf, readYaml, root } from './files.mjs';
import { findTool, outputOf, problemsOf } from './tools.mjs';

const chart = 'infra/helm/certmill';
const kubeVersion = '1.30.0';
const valuesFiles = () => globSync(`${chart}/ci/*-values.yaml`, { cwd: root }).sort();

const renderArgs = (file) => [
  ...['template', 'certmill', chart, '--namespace', 'certmill'],
  ...['--kube-version', kubeVersion, '--values', file],
];

export function problemsOfLint() {
  return valuesFiles().flatMap((file) =>
    problemsOf('helm', [
      'lint',
      '--strict',
      '--kube-version',
      kubeVersion,
      chart,
      '--values',
      file,
    ]),
  );
}

/** The manifests of each file of values, and those values. */
export function renderings() {
  return valuesFiles().map((file) => {
    const text = outputOf('helm', renderArgs(file));
    const name = basename(file, '-values.yaml');
    return { name, text, objects: objectsOf(text), values: readYaml(file) };
  });
}

/**
 * kube-score, warnings too. What it is told to pass over: limits of CPU (values.yaml says why), and what
 * annotations of the manifests name, with the reason beside it.
 */
export function problemsOfScore({ name, text }) {
  const { status, stdout, stderr } = spawnSync(
    findTool('kube-score'),
    [
      ...['score', '--kubernetes-version', 'v1.30', '--ignore-container-cpu-limit'],
      ...['--exit-one-on-warning', '--output-format', 'ci', '-'],
    ],
    { cwd: root, encoding: 'utf8', input: text },
  );
  if (status === 0) return [];
  const bad = stdout.split('\n').filter((line) => /^\[(?:WARNING|CRITICAL)\]/.test(line));
  return [`${name}: kube-score: ${bad.join('\n')}${stderr}`];
}

/** Values that are missing or wrong are named, and nothing is rendered. */
export function unnamedRefusals() {
  const [minimal] = valuesFiles().filter((file) => file.endsWith('/minimal-values.yaml'));
  const removed = [
    'kafka.brokers',
    'mongo.uri',
    'redis.host',
    'http.tls.existingSecret',
    'issuers.issuing.tenants',
    'issuers.issuing.chain',
    'issuers.issuing.slots',
  ];
  const refusals = [
    ...removed.map((path) => ({ set: `${path}=null`, says: `${path} is required` })),
    // It is for no lane.
    { set: 'workloads.status.lanes={bulk}', says: 'workloads' },
    // A slip in a name is no value of the chart.
    { set: 'kafka.broker=kafka:9092', says: "'broker' not allowed" },
    { set: 'issuers.issuing.slots[0].pin.key=pin', says: 'issuers' },
  ];
  return refusals.flatMap(({ set, says }) => {
    const args = [...renderArgs(minimal), '--set', set];
    const { status, stderr } = spawnSync(findTool('helm'), args, { cwd: root, encoding: 'utf8' });
    return status !== 0 && stderr.includes(says) ? [] : [`with ${set} helm says: ${stderr.trim()}`];
  });
}
