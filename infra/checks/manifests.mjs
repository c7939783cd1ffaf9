import { groups, topics } from '../../libs/events/dist/topics.js';

const roleOf = (object) => object.metadata.labels?.['app.kubernetes.io/component'];

/** Configurations of services in rendered manifests. */
export function manifestConfigs({ name, objects }) {
  return objects
    .filter(({ kind, data }) => kind === 'ConfigMap' && data?.['fleet.yaml'] !== undefined)
    .map(({ metadata, data }) => ({
      where: `helm, ${name}: ${metadata.name}`,
      text: data['fleet.yaml'],
    }));
}

/** Topics and groups by which KEDA scales are those of the services. */
export function wrongTriggers({ name, objects }) {
  const stageTopics = {
    validate: topics.requestsReceived,
    sign: topics.requestsValidated,
    publish: topics.certificatesIssued,
  };
  return objects
    .filter(({ kind }) => kind === 'ScaledObject')
    .flatMap((object) =>
      object.spec.triggers
        .filter(({ type }) => type === 'kafka')
        .flatMap(({ metadata: { topic, consumerGroup } }) => {
          const role = roleOf(object);
          const isRight =
            Object.values(stageTopics[role]).includes(topic) &&
            consumerGroup === `${groups[role]}.${topic}`;
          return isRight ? [] : [`${name}: ${object.metadata.name} is scaled by ${consumerGroup}`];
        }),
    );
}

/** Files of secrets that a pod of each role may have, beside how it speaks to brokers and store. */
const allowed = {
  ingest: /^(?:hop\/received\.json|manifest-key\.pem|http\/.*|trust\/.*)$/,
  validate: /^hop\/(?:received|validated)\.json$/,
  sign: /^(?:hop\/(?:validated|issued)\.json|slots\/.*|trust\/.*)$/,
  publish: /^(?:hop\/issued\.json|redis\/.*|redis-tls\/.*)$/,
  init: /^$/,
};
const connections = /^(?:kafka|mongo)\//;

/** Secrets that a pod has and its role does not need, and paths in configurations that no secret is at. */
export function strayPaths({ name, objects }) {
  const pods = objects.filter(({ kind }) => kind === 'Deployment' || kind === 'Job');
  return pods.flatMap((pod) => {
    const role = roleOf(pod);
    const { volumes } = pod.spec.template.spec;
    const sources = volumes.find((volume) => volume.name === 'secrets')?.projected.sources ?? [];
    const paths = sources.flatMap(({ secret, configMap }) =>
      (secret ?? configMap).items.map(({ path }) => path),
    );
    const mounted = new Set(paths.map((path) => `/etc/certmill/secrets/${path}`));
    const config = objects.find(
      ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === pod.metadata.name,
    );
    const wanted =
      config.data['fleet.yaml'].match(
        /\/etc\/certmill\/secrets\/\S+\.\w+|\/etc\/certmill\/secrets\/\S+\/(?:pin|password|passphrase)/g,
      ) ?? [];
    return [
      ...paths
        .filter((path) => !connections.test(path) && !allowed[role].test(path))
        .map((path) => `${name}: ${pod.metadata.name} has ${path}`),
      ...wanted
        .filter((path) => !mounted.has(path))
        .map(
          (path) =>
            `${name}: ${pod.metadata.name} is configured with ${path}, which is not mounted`,
        ),
    ];
  });
}

/** Who may be reached by whom: only sign opens ports to the HSM, only ingest takes calls. */
export function openDoors({ name, objects }) {
  const policies = objects.filter(({ kind }) => kind === 'NetworkPolicy');
  const componentOf = ({ spec }) => spec.podSelector.matchLabels['app.kubernetes.io/component'];
  const only = (suffix, role) =>
    policies
      .filter(({ metadata }) => metadata.name.endsWith(suffix))
      .filter((policy) => componentOf(policy) !== role)
      .map(({ metadata }) => `${name}: ${metadata.name} is not for ${role} alone`);
  const deny = policies.filter(
    ({ spec }) =>
      spec.policyTypes.length === 2 && spec.ingress === undefined && spec.egress === undefined,
  );
  return [
    ...(deny.length === 1 && componentOf(deny[0]) === undefined
      ? []
      : [`${name}: nothing denies by default`]),
    ...only('-hsm', 'sign'),
    ...only('-calls', 'ingest'),
    ...only('-redis', 'publish'),
  ];
}
