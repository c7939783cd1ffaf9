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
export async function installMongoStandIn(): Promise<string> {
  const purpose = 'the stand-in for MongoDB';
  const pom = join(packageFolder, 'java', 'mongo', 'pom.xml');
  const sources = ['MongoStandIn.java', 'KeyedIndex.java', 'StoredTypes.java'].map((name) =>
    join(packageFolder, 'java', 'mongo', name),
  );
  await assertJava(purpose);
  const key = await contentKey(pom, ...sources);
  const folder = await installOnce(`mongo-stand-in-${key}`, async (part) => {
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
