// Everything about infra/ that can be checked without a container engine or a cluster; `npm run check:infra`.
// A tool that is missing fails the run and is named with how to get it.
import { problemsOfAlerts } from './checks/alerts.mjs';
import {
  composeConfigs,
  lostMarks as lostMarksOfCompose,
  lostTrust,
  missingParts,
  problemsOfCompose,
} from './checks/compose.mjs';
import { problemsOfConfigs } from './checks/fleet-configs.mjs';
import { problemsOfLint, problemsOfScore, renderings, unnamedRefusals } from './checks/helm.mjs';
import {
  lostCaCrls,
  lostDelegates,
  lostMarks,
  lostTargets,
  manifestConfigs,
  openDoors,
  strayPaths,
  waysToBrokers,
  waysToHsm,
  wrongSaturation,
  wrongTriggers,
} from './checks/manifests.mjs';
import { undocumentedMetrics, unknownNames } from './checks/metric-names.mjs';
import { problemsOfQueries, problemsOfRules } from './checks/prometheus.mjs';
import { missingTools } from './checks/tools.mjs';

const missing = missingTools();
if (missing.length > 0) {
  process.stderr.write(`${missing.join('\n')}\n`);
  process.exit(1);
}

const manifests = renderings();
const delegatesOf = ({ issuers }) =>
  Object.values(issuers ?? {}).flatMap(({ delegates }) => delegates?.keys ?? []);
const checks = {
  'compose files': problemsOfCompose,
  'images and mounts of compose files': missingParts,
  'what the CA folder gives to services of compose files': lostTrust,
  'alert rules and their tests': problemsOfRules,
  'alerts: texts, runbooks, coverage': problemsOfAlerts,
  'names in alerts and dashboards': unknownNames,
  'metrics of the code and of docs/metrics.md': undocumentedMetrics,
  'queries of dashboards': problemsOfQueries,
  'helm lint': problemsOfLint,
  'helm: values that are missing or wrong are named': unnamedRefusals,
  'kube-score': () => manifests.flatMap(problemsOfScore),
  'configurations of services': () =>
    problemsOfConfigs([...composeConfigs(), ...manifests.flatMap(manifestConfigs)]),
  'triggers and targets of KEDA': () => [
    ...manifests.flatMap(wrongTriggers),
    ...manifests.flatMap(lostTargets),
    ...wrongSaturation(manifests),
  ],
  'sign keeps what it has seen of revocations': () => [
    ...lostMarksOfCompose(),
    ...(manifests.some(({ values }) => values.statusMarks?.enabled !== false)
      ? []
      : ['no values have statusMarks: nothing is shown']),
    ...manifests.flatMap(lostMarks),
  ],
  'secrets of each role': () => manifests.flatMap(strayPaths),
  'CRLs of CAs above reach who has issuers': () => [
    ...(manifests.some(({ values }) => Object.keys(values.caCrls ?? {}).length > 0)
      ? []
      : ['no values have caCrls: nothing is shown']),
    ...manifests.flatMap(lostCaCrls),
  ],
  'copies of delegates reach who tells of their ends': () => [
    ...(manifests.some(({ values }) => delegatesOf(values).length > 0)
      ? []
      : ['no values have delegates: nothing is shown']),
    ...manifests.flatMap(lostDelegates),
  ],
  'network policies': () => manifests.flatMap(openDoors),
  'all but status reach the brokers': () => manifests.flatMap((each) => waysToBrokers(each)),
  'only sign reaches the HSM': () => [
    ...(manifests.some(({ values }) => values.networkPolicy?.hsm?.ports?.length > 0)
      ? []
      : ['no values have an HSM: nothing is shown']),
    ...manifests.flatMap(waysToHsm),
  ],
};

let failures = 0;
for (const [what, check] of Object.entries(checks)) {
  const problems = await check();
  failures += problems.length;
  process.stdout.write(`${problems.length === 0 ? 'ok  ' : 'BAD '} ${what}\n`);
  for (const problem of problems)
    process.stdout.write(`     ${problem.replaceAll('\n', '\n     ')}\n`);
}
process.exit(failures === 0 ? 0 : 1);
