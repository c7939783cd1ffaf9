import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { installOnce } from '../cache/install-once.js';
import { packageFolder } from '../package-folder.js';
import { runCommand } from '../process/run-command.js';

const plugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1';
const oldestJava = 17;
const jdk = `a JDK, ${oldestJava} or newer (Debian: default-jdk-headless)`;

async function assertJava(purpose: string): Promise<void> {
  const version = await runCommand('java', ['--version'], { purpose, install: jdk });
  const major = Number(/^\S+ (?<major>\d+)/.exec(version)?.groups?.['major']);
  if (!(major >= oldestJava)) {
    throw new CertmillError('CONFIG_INVALID', `${purpose} needs ${jdk}`);
  }
}

/** Copies what a pom of this package names, and all that needs, from Maven's repository into `lib`. */
async function copyJars(purpose: string, source: string, folder: string): Promise<void> {
  await copyFile(join(source, 'pom.xml'), join(folder, 'pom.xml'));
  await runCommand(
    'mvn',
    [
      ...['--quiet', '--batch-mode', `${plugin}:copy-dependencies`],
      ...['-DincludeScope=runtime', `-DoutputDirectory=${join(folder, 'lib')}`],
    ],
    { purpose, install: 'Maven (Debian: maven)', folder },
  );
}

/** The class path of a Kafka broker. The version is in java/kafka/pom.xml too. */
export async function installKafka(): Promise<string> {
  const purpose = 'Kafka 4.3.1';
  await assertJava(purpose);
  const folder = await installOnce('kafka-4.3.1', (part) =>
    copyJars(purpose, join(packageFolder, 'java', 'kafka'), part),
  );
  return join(folder, 'lib', '*');
}

/** The class path of the stand-in for MongoDB. The version is in java/mongo/pom.xml too. */
export async function installMongoStandIn(): Promise<string> {
  const purpose = 'mongo-java-server 1.47.0';
  const source = join(packageFolder, 'java', 'mongo');
  await assertJava(purpose);
  const folder = await installOnce('mongo-java-server-1.47.0', async (part) => {
    await copyJars(purpose, source, part);
    await mkdir(join(part, 'classes'));
    const launcher = join(source, 'MongoStandIn.java');
    await runCommand(
      'javac',
      ['-cp', join(part, 'lib', '*'), '-d', join(part, 'classes'), launcher],
      { purpose, install: jdk },
    );
  });
  return `${join(folder, 'lib', '*')}:${join(folder, 'classes')}`;
}
