/** A listener with TLS, beside the plain one that brokers use among themselves. */
export interface SecureListener {
  /** Capitals, as in `SECURE`; see KafkaCluster.brokersOf. */
  readonly name: string;
  /** PEM in one file: the private key (PKCS#8) and the certificate chain. */
  readonly keystoreFile: string;
  /** Set: every client must present a certificate of this CA (PEM). */
  readonly clientCaFile?: string;
  /** Set: clients log in by SASL, PLAIN or SCRAM-SHA-512; passwords by user. */
  readonly users?: Readonly<Record<string, string>>;
}

/** Its entry in `listener.security.protocol.map`. */
export function protocolOf({ name, users }: SecureListener): string {
  return `${name}:${users === undefined ? 'SSL' : 'SASL_SSL'}`;
}

/** Its lines in server.properties. */
export function secureProperties(listener: SecureListener): Readonly<Record<string, string>> {
  const { name, keystoreFile, clientCaFile, users } = listener;
  const properties: Record<string, string> = {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': keystoreFile,
    ...(clientCaFile === undefined
      ? {}
      : {
          'ssl.client.auth': 'required',
          'ssl.truststore.type': 'PEM',
          'ssl.truststore.location': clientCaFile,
        }),
    ...(users === undefined ? {} : saslProperties(users)),
  };
  const prefix = `listener.name.${name.toLowerCase()}`;
  return Object.fromEntries(
    Object.entries(properties).map(([property, value]) => [`${prefix}.${property}`, value]),
  );
}

/** What `kafka.tools.StorageTool format` makes users for SCRAM from; PLAIN's are in the properties. */
export function scramArguments(listeners: readonly SecureListener[]): readonly string[] {
  return listeners.flatMap(({ users = {} }) =>
    Object.entries(users).flatMap(([name, password]) => [
      '--add-scram',
      `SCRAM-SHA-512=[name=${name},password=${password}]`,
    ]),
  );
}

function saslProperties(users: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const modules = 'org.apache.kafka.common.security';
  const plainUsers = Object.entries(users).map(([name, password]) => `user_${name}="${password}"`);
  return {
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-512',
    'plain.sasl.jaas.config': `${modules}.plain.PlainLoginModule required ${plainUsers.join(' ')};`,
    'scram-sha-512.sasl.jaas.config': `${modules}.scram.ScramLoginModule required;`,
  };
}
