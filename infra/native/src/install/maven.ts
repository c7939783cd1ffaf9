import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { contentKey } from '../cache/content-key.js';
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
async function copyJars(purpose: string, pom: string, folder: string): Promise<void> {
  // Maven works in the folder of its pom.
  await copyFile(pom, join(folder, 'pom.xml'));
  await runCommand(
    'mvn',
    [
      ...['--quiet', '--batch-mode', `${plugin}:copy-dependencies`],
      ...['-DincludeScope=runtime', `-DoutputDirectory=${join(folder, 'lib')}`],
    ],
    { purpose, install: 'Maven (Debian: maven)', folder },
  );
}

/** The class path of a Kafka broker; its version is in java/kafka/pom.xml. */
export async function installKafka(): Promise<string> {
  const purpose = 'Kafka';
  const pom = join(packageFolder, 'java', 'kafka', 'pom.xml');
  await assertJava(purpose);
  const folder = await installOnce(`kafka-${await contentKey(pom)}`, (part) =>
    copyJars(purpose, pom, part),
  );
  return join(folder, 'lib', '*');
}

/** The class path of the stand-in for MongoDB; its version is in java/mongo/pom.xml. */
export function installMongoStandIn(): Promise<string> {
  const sources = ['MongoStandIn', 'WholeDocuments', 'KeyedIndex', 'StoredTypes'].map(
    (name) => `${name}.java`,
  );
  return installCompiled('the stand-in for MongoDB', 'mongo', 'mongo-stand-in', sources);
}

/** The class path of the oracle with Bouncy Castle; its version is in java/bouncy-castle/pom.xml. */
export function installBouncyCastle(): Promise<string> {
  return installCompiled('Bouncy Castle', 'bouncy-castle', 'bouncy-castle', [
    'VerifyChains.java',
    'CheckStatus.java',
  ]);
}

/** The jars of `java/<project>/pom.xml`, and the classes of its sources. */
async function installCompiled(
  purpose: string,
  project: string,
  name: string,
  sourceNames: readonly string[],
): Promise<string> {
  const folderOf = (file: string): string => join(packageFolder, 'java', project, file);
  const pom = folderOf('pom.xml');
  const sources = sourceNames.map(folderOf);
  await assertJava(purpose);
  const key = await contentKey(pom, ...sources);
  const folder = await installOnce(`${name}-${key}`, async (part) => {
    await copyJars(purpose, pom, part);
    await mkdir(join(part, 'classes'));
    await runCommand(
      'javac',
      ['-cp', join(part, 'lib', '*'), '-d', join(part, 'classes'), ...sources],
      { purpose, install: jdk },
    );
  });
  return `${join(folder, 'lib', '*')}:${join(folder, 'classes')}`;
}
